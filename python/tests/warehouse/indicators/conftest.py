"""Indicators on bars that a test makes up."""

from __future__ import annotations

import pytest

from tests.support.warehouse import Warehouse
from tests.warehouse.indicators.on_read import OnRead


@pytest.fixture(scope="session")
def table_macros(sample: Warehouse) -> str:
    """What makes the table macros of all indicators."""
    return sample.dbt("compile", "--target", "lint", "--inline", "{{ table_macros() }}")


@pytest.fixture(scope="session")
def indicator(table_macros: str) -> OnRead:
    """Any indicator, with any periods, on bars that a test makes up."""
    return OnRead(table_macros)
