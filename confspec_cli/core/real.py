"""Any finite number, in a table of settings: a plain float is one from 0 to 1 there."""

from __future__ import annotations

from typing import NewType

Real = NewType("Real", float)
