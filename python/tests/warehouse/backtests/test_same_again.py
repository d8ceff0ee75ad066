"""The same inputs give the same bytes, however many cores there are."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.worlds import compiled

MODELS = (
    *(
        "signals",
        "entries",
        "minutes",
        "excursions",
        "exits",
        "outcomes",
        "runs",
        "tradable_signals",
        "session_accounts",
        "trades",
    ),
    *("fills", "equity", "permutations", "bootstraps", "summary", "folds"),
    "sweep",
)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_the_same_on_any_number_of_cores(sample: Warehouse, model: str) -> None:
    found = []
    for threads in (1, 2, 5):
        with duckdb.connect() as connection:
            connection.execute(f"set threads = {threads}; set TimeZone = 'UTC'")
            connection.execute(f"attach '{sample.file}' as duckbourse (read_only)")
            query = compiled(sample, model)
            found.append(connection.execute(f"select t::varchar from ({query}) as t").fetchall())
    assert found[0]
    assert found[1:] == found[:1] * 2
    stored = sample.query(f"select t::varchar from backtests.{model} as t")
    assert sorted(stored) == sorted(found[0])
