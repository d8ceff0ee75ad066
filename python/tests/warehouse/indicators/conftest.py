"""Indicators on bars that a test makes up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.warehouse import Warehouse
from tests.warehouse.indicators.on_read import OnRead


@pytest.fixture(scope="session")
def table_macros(sample: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SQL that creates the table macros of all indicators."""

    def make(folder: Path) -> None:
        sql = sample.inline("{{ table_macros() }}")
        (folder / "macros.sql").write_text(sql)

    return (made_once(tmp_path_factory, "table macros", make) / "macros.sql").read_text()


@pytest.fixture(scope="session")
def indicator(table_macros: str) -> OnRead:
    """Any indicator, with any periods, on bars that a test makes up."""
    return OnRead(table_macros)
