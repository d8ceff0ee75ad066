"""What dbt calls a function is a macro in the file, which others can ask under any file name."""

from __future__ import annotations

import shutil

import duckdb
import pytest
import yaml

from tests.support.sandbox import Sandbox

PAGE = {
    "functions": [
        {
            "name": "bars_of",
            "config": {"type": "table"},
            "arguments": [
                {"name": "p_symbol", "data_type": "varchar"},
                {"name": "p_since", "data_type": "date", "default_value": "'2024-01-02'"},
            ],
            "returns": {"data_type": "table"},
        },
        {
            "name": "half",
            "arguments": [{"name": "p_value", "data_type": "double"}],
            "returns": {"data_type": "double"},
        },
        {
            "name": "spread",
            "config": {"type": "aggregate"},
            "arguments": [{"name": "p_value", "data_type": "double"}],
            "returns": {"data_type": "double"},
        },
    ]
}

BARS = """
select
    symbol,
    date '2024-01-01' + day::integer as session_date,
    100.0 + day as close
from (values ('AAPL'), ('MSFT')) as symbols (symbol)
cross join range(3) as days (day)
"""

BARS_OF = """
select
    session_date,
    close
from {{ ref('bars__closes').include(database=false) }}
where symbol = p_symbol and session_date >= p_since::date
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Return the built file, opened read-only and under another name than dbt built it."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("functions"))
    sandbox.copy("models/_groups.yml")
    sandbox.write("models/bars/bars__closes.sql", BARS)
    loose = {"name": "bars__closes", "config": {"contract": {"enforced": False}}}
    sandbox.write("models/bars/bars__closes.yml", yaml.safe_dump({"models": [loose]}))
    sandbox.write("functions/bars_of.sql", BARS_OF)
    sandbox.write("functions/half.sql", "p_value::double / 2")
    sandbox.write("functions/spread.sql", "max(p_value) - min(p_value)")
    sandbox.write("functions/functions.yml", yaml.safe_dump(PAGE))
    assert set(sandbox.run("build").values()) == {"success"}
    assert set(sandbox.run("build", "--full-refresh").values()) == {"success"}
    copy = sandbox.folder / "renamed.duckdb"
    shutil.copy(sandbox.database, copy)
    return duckdb.connect(str(copy), read_only=True)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("select count(*), min(close) from bars_of('AAPL')", (2, 101)),
        (
            "select count(*), min(close) from bars_of('AAPL', p_since := '2024-01-01')",
            (3, 100),
        ),
        ("select count(*), min(close) from bars_of('AAPL', date '2024-01-03')", (1, 102)),
        ("select count(*), min(close) from bars_of('IBM')", (0, None)),
        ("select half('5'), typeof(half(5))", (2.5, "DOUBLE")),
        ("select spread(close) from bars.closes", (2,)),
    ],
)
def test_a_function_answers(
    question: str, answer: tuple[object, ...], database: duckdb.DuckDBPyConnection
) -> None:
    assert database.execute(question).fetchone() == answer


def test_a_function_takes_a_prepared_value(database: duckdb.DuckDBPyConnection) -> None:
    question = "select max(close) from bars_of($symbol)"
    assert database.execute(question, {"symbol": "MSFT"}).fetchone() == (102,)
