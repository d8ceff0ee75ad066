"""The built sample, as the warehouse's tests have it."""

from __future__ import annotations

from tests.warehouse.conftest import sample

__all__ = ["sample"]
