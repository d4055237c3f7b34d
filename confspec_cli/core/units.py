"""Quantities in words that people read."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes: "1.1 GB"; "?" for none."""
    if not count:
        return "?"
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"
