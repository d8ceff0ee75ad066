"""A build of indicators that goes on from the last one ends with the bytes of a build of all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.deliveries import deliver, shipped
from tests.support.own_project import own_project
from tests.support.warehouse import Warehouse, empty_store

FAMILIES = re.findall(r"'(\w+)'", (PROJECT / "macros/indicators/families.sql").read_text())
RELATIONS = (*(f"indicators.{family}" for family in FAMILIES), "serving.latest_indicators")
INDICATORS = ("-s", "+serving__latest_indicators")

# of minutes there are more than any average remembers
MINUTES = ("AAPL", "GS", "IBM", "MA", "XOM")
SYMBOLS = {"daily": (*MINUTES, "JNJ", "KO", "MMM", "^GSPC"), "minute": MINUTES}
# of a Friday, and within a bar of every timeframe but 1m
NOON = "timestamp '2010-05-28 12:07'"
# a day that is filled in, and days before those that came first
LATE = """(
    symbol = 'XOM' and session_date = '2010-05-12'
    or symbol = 'JNJ' and session_date < '2009-11-02'
)"""


def prices(kind: str, which: str) -> str:
    """
    Return a query for shipped rows, made harder.

    For running totals: no volume at all, none at first, none before a new session, or since the
    session prior to it. For warm-ups: a symbol that was listed a week before.
    """
    return f"""
        select * replace (
            case
                when symbol = '^GSPC' then null
                when symbol = 'MA' and session_date >= '2010-05-27' then null
                when symbol in ('GS', 'MMM') and session_date < '2009-09-01' then null
                when symbol = 'GS' and session_date = '2010-04-01' then null
                else volume
            end as volume
        )
        from {shipped(kind)}
        where symbol in {SYMBOLS[kind]} and source != 'wiki5' and {which}
        union all
        select * replace (
            'LAST_WEEK' as symbol, if(session_date < '2010-05-28', null, volume) as volume
        )
        from {shipped(kind)}
        where symbol = 'MCD' and session_date >= '2010-05-21' and {which}
    """


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse that ends within a session. Each test lets it grow, from wherever it is."""
    folder = tmp_path_factory.mktemp("grown")
    warehouse = Warehouse(empty_store(folder / "data"), folder / "target", sample=False)
    days = prices("daily", f"session_date < '2010-05-28' and not {LATE}")
    deliver(warehouse, "days", "daily", days)
    minutes = prices("minute", f"bar_ts < {NOON} and not {LATE}")
    deliver(warehouse, "minutes", "minute", minutes)
    warehouse.build(*INDICATORS)
    assert set(how_built(warehouse).values()) == {"all"}
    mark(warehouse)
    return warehouse


def how_built(warehouse: Warehouse) -> dict[str, str]:
    """Return whether the last build of each family wrote all of it or what had changed."""
    return {
        str(family): "all" if is_rebuilt else "changes"
        for family, is_rebuilt in warehouse.query(
            "select replace(model, 'indicators__', ''), is_rebuilt from build_state.models "
            "where starts_with(model, 'indicators__') and code != ''"
        )
    }


def not_in_order(warehouse: Warehouse) -> list[str]:
    """Return the families with a window whose rows DuckDB may take in another order than theirs."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse.file}' as duckbourse (read_only)")
        connection.execute("use duckbourse")
        connection.execute("set preserve_insertion_order = false")
        explained = {
            family: connection.execute(
                f"explain (format json) {warehouse.compiled(f'indicators__{family}')}"
            ).fetchall()[0][1]
            for family in FAMILIES
        }
    return [family for family, plan in explained.items() if any(map(is_mixed, json.loads(plan)))]


def is_mixed(operator: dict[str, Any], streamed: bool = False) -> bool:
    """Whether a window collects its rows, or gets them from a join, which lets some pass others."""
    name = operator["name"]
    streamed = name == "STREAMING_WINDOW" or (streamed and name != "ORDER_BY")
    return (
        name == "WINDOW"
        or (streamed and "JOIN" in name)
        or any(is_mixed(below, streamed) for below in operator["children"])
    )


def mark(warehouse: Warehouse) -> None:
    """Put a row that no build makes a second behind each half-hourly one: both stand or neither."""
    with duckdb.connect(str(warehouse.file)) as connection:
        for family in FAMILIES:
            connection.execute(
                f"insert into indicators.{family} by name "
                "select symbol, timeframe, bar_ts + interval 1 second as bar_ts "
                f"from indicators.{family} where minute(bar_ts) % 30 = 0"
            )


def unmark(warehouse: Warehouse) -> None:
    with duckdb.connect(str(warehouse.file)) as connection:
        for family in FAMILIES:
            connection.execute(f"delete from indicators.{family} where second(bar_ts) = 1")


def badly_written(warehouse: Warehouse, stale_from: dict[str, str]) -> list[tuple[object, ...]]:
    """Return which bars were written and not stale from a symbol's day on, and the other way."""
    days = {"nobody": "9999-12-31"} | stale_from
    stale = ", ".join(f"('{symbol}', date '{day}')" for symbol, day in days.items())
    families = " union all ".join(
        f"select '{family}' as family, symbol, timeframe, bar_ts from indicators.{family}"
        for family in FAMILIES
    )
    return warehouse.query(f"""
        with
        written as (
            select family, symbol, timeframe, date_trunc('minute', bar_ts) as bar_ts
            from ({families})
            where minute(bar_ts) % 30 = 0
            group by all
            having not bool_or(second(bar_ts) = 1)
        ),
        stale as (
            select family, symbol, timeframe, bar_ts
            from bars.ohlcv
            inner join seeds.stored_indicators using (timeframe)
            inner join (values {stale}) as given (symbol, day) using (symbol)
            where
                minute(bar_ts) % 30 = 0
                and bar_ts >= if(timeframe = '1w', date_trunc('week', day), day)
        )
        select 'not stale', family, symbol, timeframe, min(bar_ts)::varchar, count(*)
        from (from written except from stale) group by all
        union all
        select 'not written', family, symbol, timeframe, min(bar_ts)::varchar, count(*)
        from (from stale except from written) group by all
        order by all
    """)


def check_against_all(warehouse: Warehouse) -> None:
    """Compare what the last build left with what a build of all makes, and mark that."""
    unmark(warehouse)
    gone_on = warehouse.content(*RELATIONS)
    warehouse.build(*INDICATORS, "--full-refresh")
    assert set(how_built(warehouse).values()) == {"all"}
    assert not_in_order(warehouse) == []
    rebuilt = warehouse.content(*RELATIONS)
    assert [relation for relation in RELATIONS if gone_on[relation] != rebuilt[relation]] == []
    mark(warehouse)


def test_a_new_session_is_gone_on_to(grown: Warehouse) -> None:
    day = "session_date = '2010-05-28'"
    deliver(grown, "new_days", "daily", prices("daily", day))
    deliver(grown, "new_minutes", "minute", prices("minute", f"{day} and bar_ts >= {NOON}"))
    grown.build(*INDICATORS)
    assert set(how_built(grown).values()) == {"changes"}
    assert not_in_order(grown) == []
    stale = dict.fromkeys((*SYMBOLS["daily"], "LAST_WEEK"), "2010-05-28")
    assert badly_written(grown, stale) == []
    check_against_all(grown)


def test_corrections_and_listings_are_gone_on_from(grown: Warehouse) -> None:
    correction = "select * replace (close * 1.001 as close, high * 1.01 as high, 9e5 as volume)"
    listing = "select * replace ('JUST_LISTED' as symbol)"
    for name, kind, rows in (
        ("late_days", "daily", prices("daily", LATE)),
        ("late_minutes", "minute", prices("minute", LATE)),
        (
            "corrected_days",
            "daily",
            f"{correction} from {shipped('daily')} where source = 'bytetheory' "
            "and symbol in ('KO', 'MMM') and session_date = '2010-03-03'",
        ),
        (
            "corrected_minute",
            "minute",
            f"{correction} from {shipped('minute')} "
            "where symbol = 'IBM' and bar_ts = '2010-05-20 11:11'",
        ),
        (
            "listed_days",
            "daily",
            f"{listing} from {shipped('daily')} "
            "where symbol = 'PG' and session_date between '2010-05-18' and '2010-05-28'",
        ),
        (
            "listed_minutes",
            "minute",
            f"{listing} from {shipped('minute')} where symbol = 'PG' and bar_ts >= '2010-05-27'",
        ),
    ):
        deliver(grown, name, kind, rows, "2026-11-03")
    grown.build(*INDICATORS)
    assert set(how_built(grown).values()) == {"changes"}
    stale = {
        "IBM": "2010-05-20",
        "JNJ": "2009-08-21",
        "JUST_LISTED": "2010-05-18",
        "KO": "2010-03-03",
        "MMM": "2010-03-03",
        "XOM": "2010-05-12",
    }
    assert badly_written(grown, stale) == []
    check_against_all(grown)


def test_nothing_new_is_nothing_written(grown: Warehouse) -> None:
    latest = grown.content("serving.latest_indicators")
    grown.build(*INDICATORS)
    assert set(how_built(grown).values()) == {"changes"}
    assert badly_written(grown, {}) == []
    assert grown.content("serving.latest_indicators") == latest


def test_families_built_without_their_parents_are_not_up_to_date(grown: Warehouse) -> None:
    correction = (
        "select * replace (close * 1.001 as close, high * 1.01 as high) "
        f"from {shipped('minute')} where symbol = 'IBM' and bar_ts = '2010-05-19 11:11'"
    )
    deliver(grown, "corrected_alone", "minute", correction, "2026-11-04")
    grown.build("-s", "+bars__ohlcv")
    grown.build("-s", *(f"indicators__{family}" for family in FAMILIES))
    grown.build(*INDICATORS)
    assert set(how_built(grown).values()) == {"changes"}
    assert badly_written(grown, {"IBM": "2010-05-19"}) == []
    unmark(grown)
    mark(grown)


def test_a_family_continues_only_from_one_list_of_stale_bars(grown: Warehouse) -> None:
    correction = (
        "select * replace (close * 1.002 as close, high * 1.02 as high) "
        f"from {shipped('minute')} where symbol = 'AAPL' and bar_ts = '2010-05-20 10:10'"
    )
    deliver(grown, "corrected_again", "minute", correction, "2026-11-05")
    # with a full refresh no stale bars are listed, and a family that is built later needs all
    grown.build("--full-refresh", "-s", "+indicators__bands")
    grown.build("-s", "indicators__macd")
    assert how_built(grown)["macd"] == "all"
    # of the stale symbols alone, there are none left of these two, but still their stale bars
    grown.build(*INDICATORS)
    grown.build("-s", "indicators__stale_symbols")
    grown.build("-s", "indicators__stops")
    assert how_built(grown)["stops"] == "all"
    check_against_all(grown)


def test_other_code_is_a_build_of_all_of_that_family(grown: Warehouse, tmp_path: Path) -> None:
    project = own_project(tmp_path)
    for file, text, other in (
        ("macros/indicators/bollinger.sql", "width: 2.0", "width: 3.0"),
        ("seeds/indicators/stored_indicators.csv", "camarilla_points,1w\n", ""),
    ):
        found = (project / file).read_text()
        assert found.count(text) == 1
        (project / file).write_text(found.replace(text, other))
    replace(grown, project=project).build(*INDICATORS)

    built = how_built(grown)
    changed = {"bands", "camarilla_points"}
    assert {family for family in FAMILIES if built[family] == "all"} == changed
    assert {family for _, family, *_ in badly_written(grown, {})} == changed
    for family in changed:
        assert grown.query(f"""
            select count(*), count(*) filter (second(bar_ts) = 1) from indicators.{family}
        """) == grown.query(f"""
            select count(*), 0 from bars.ohlcv
            semi join (from seeds.stored_indicators where family = '{family}') using (timeframe)
        """)
