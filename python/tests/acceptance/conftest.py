"""A built warehouse that a test may build on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.warehouse import Warehouse, copied_from


@pytest.fixture
def copied(sample: Warehouse, tmp_path: Path) -> Warehouse:
    """The shipped data as built, to be built on."""
    return copied_from(sample, tmp_path)
