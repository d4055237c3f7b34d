"""Models that write and judge: one protocol, one engine a module."""
