"""The pages of the shipped data."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import duckdb

from duckbourse import clock
from duckbourse.pages import addresses, answer
from duckbourse.settings import PROJECT
from tests.support.pages import columns
from tests.support.warehouse import Warehouse

# a relation and its column, where a page names the definition of a number
DEFINED = re.compile(r"doc: '((?:\w+)\.\w+\.\w+)'")


def test_the_small_publication_has_the_columns_of_a_built_one(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        query = """
            select schema_name || '.' || table_name, column_name, data_type
            from duckdb_columns() where database_name = current_database()
            order by table_oid, column_index
        """
        built: dict[str, dict[str, str]] = {}
        for relation, column, kind in connection.execute(query).fetchall():
            built.setdefault(relation, {})[column] = kind
    assert {name: built[name] for name in columns()} == columns()


def test_each_kind_of_address_has_an_answer_whose_sql_runs(sample: Warehouse) -> None:
    with (
        clock.driven_by(lambda: datetime(2026, 11, 2, 9, tzinfo=UTC)),
        duckdb.connect(str(sample.file), read_only=True) as connection,
    ):
        listed = addresses(connection)
        assert len(listed) == len({*listed}) > 1000
        # the last of each page, and of each timeframe
        kinds = {(*each.split("/")[:2], *each.split("/")[3:]): each for each in listed}
        for address in kinds.values():
            body = answer(connection, address)
            json.dumps(body, allow_nan=False)
            for query in body["sql"].values():
                connection.execute(f"explain {query}").fetchall()
        scanned = answer(connection, "/scanners?date=2010-05-06&scanner=crp,gap")
        assert {row["scanner"] for row in scanned["records"]} == {"crp", "gap"}
        thinned = answer(connection, "/symbols/AAPL/1m?points=500")
        assert len(thinned["columns"]["minute"]) == 500
        assert thinned["bars_per_point"] > 1


def test_marks_of_var_breaches_are_those_that_the_backtest_counts(sample: Warehouse) -> None:
    checked = 0
    with (
        clock.driven_by(lambda: datetime(2026, 11, 2, 9, tzinfo=UTC)),
        duckdb.connect(str(sample.file), read_only=True) as connection,
    ):
        for portfolio in answer(connection, "/meta")["portfolios"]:
            body = answer(connection, f"/risk/{portfolio['portfolio']}")
            for row in body["backtest"]:
                if row["period"] != "all" or row["lookback_sessions"] != body["lookback_sessions"]:
                    continue
                name = f"is_exceedance_{row['method']}_{100 * row['confidence']:.0f}"
                if name not in body["bands"] or row["basel_exceedance_count"] is None:
                    continue
                tested = [each for each in body["bands"][name] if each is not None]
                # its traffic light is of the last 250 sessions
                assert sum(tested[-250:]) == row["basel_exceedance_count"], (portfolio, name)
                checked += 1
    assert checked >= 16


def test_each_definition_that_a_page_names_is_published(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        known = answer(connection, "/docs")["columns"]
    scripts = (PROJECT / "python" / "duckbourse" / "web" / "js").glob("page-*.js")
    named = {name for script in scripts for name in DEFINED.findall(script.read_text())}
    assert named
    assert named - known.keys() == set()


def test_bars_of_a_session_are_of_no_later_one(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        query = """
            select timeframe, list(distinct session_date order by session_date) from bars.ohlcv
            where symbol = 'AAPL' and session_date >= '2010-05-01' and session_date < '2010-06-01'
            group by timeframe having max(session_date - date '2010-04-01') < 360
        """
        sessions = dict(connection.execute(query).fetchall())
        assert {"1m", "5m", "1h"} <= sessions.keys()
        for timeframe in ("1m", "5m", "15m", "30m", "1h"):
            for session in (sessions[timeframe][3], sessions[timeframe][-1]):
                body = answer(connection, f"/symbols/AAPL/{timeframe}?date={session}")
                minutes = body["columns"]["minute"]
                days = {datetime.fromtimestamp(60 * each, UTC).date() for each in minutes}
                assert max(days) == session, timeframe
