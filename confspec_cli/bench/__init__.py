"""Measurements, run as modules: every figure of README and docs is printed by one."""
