"""One-off measurements: each module prints figures of the documentation. Not part of the wheel."""
