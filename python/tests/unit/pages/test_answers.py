"""Every address has an answer that is JSON, whose SQL runs as it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from duckbourse import clock
from duckbourse.pages import NotHere, TooMuch, addresses, answer
from duckbourse.pages.asking import Panels, plain
from duckbourse.settings import PROJECT
from tests.support.pages import (
    SESSION,
    SYMBOL,
    empty_publication,
    insert,
    one_bar,
    small_publication,
)

GOLDEN = Path(__file__).with_name("golden.json")
MINUTES = "/symbols/AA%3C%2Fscript%3E%3Cb%3E/1m"


@pytest.fixture(scope="module")
def publication() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = small_publication()
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    """Set the time at which a page is answered, which its reader sees."""
    with clock.driven_by(lambda: datetime(2024, 3, 29, 12, tzinfo=UTC)):
        yield


def answers(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return {address: answer(connection, address) for address in addresses(connection)}


def test_the_answers_are_the_golden_ones(publication: duckdb.DuckDBPyConnection) -> None:
    # to renew it after a change that is meant: write `found` there, and read the difference
    found = answers(publication)
    for body in found.values():
        del body["sql"]
    assert found == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("make", [small_publication, empty_publication, one_bar])
def test_each_answer_is_json_without_nan_and_its_sql_runs(
    make: Callable[[], duckdb.DuckDBPyConnection],
) -> None:
    connection = make()
    for address, body in answers(connection).items():
        json.dumps(body, allow_nan=False)
        assert body["sql"], address
        for panel, query in body["sql"].items():
            assert "$" not in query, (address, panel)
            connection.execute(query).fetchall()
    connection.close()


def test_the_sessions_of_late_series_are_not_added_up() -> None:
    """Days and minutes that were both three sessions behind were shown as six."""
    connection = small_publication()
    connection.execute(
        f"""
        insert into serving.data_quality by name
        select '{SYMBOL}' as symbol, timeframe, finding, late as finding_count
        from (values ('1d', 3), ('1m', 2)) as series (timeframe, late)
        cross join (values ('behind'), ('missing_bars')) as findings (finding)
        """
    )
    quality = answer(connection, f"/symbols/{quote(SYMBOL, safe='')}")["quality"]
    counts = {row["finding"]: row["finding_count"] for row in quality}
    assert counts["behind"] == 3
    for panel in ("findings", "finding_totals"):
        rows = answer(connection, "/quality")[panel]
        assert [row["finding_count"] for row in rows if row["finding"] == "behind"] == [3]
    assert counts["missing_bars"] >= 5
    connection.close()


def test_each_address_is_asked_for_by_a_page(publication: duckdb.DuckDBPyConnection) -> None:
    scripts = PROJECT / "python" / "duckbourse" / "web" / "js"
    text = "".join(file.read_text() for file in scripts.glob("*.js"))
    for address in addresses(publication):
        name = address.split("/")[1]
        assert f"'/{name}" in text or f"`/{name}/${{" in text, address


def test_a_value_is_bound_and_never_becomes_sql(publication: duckdb.DuckDBPyConnection) -> None:
    for name in ("'; drop table bars.ohlcv; --", "$symbol", "%27%20or%201=1", "\x00"):
        with pytest.raises(NotHere, match="there is no symbol"):
            answer(publication, f"/symbols/{name.replace('/', '%2F')}")
    assert answer(publication, MINUTES)["symbol"] == SYMBOL


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/overvew", "there is no page '/overvew'; did you mean '/overview'?"),
        ("", "there is no page '/'"),
        ("/symbols", "'/symbols' is not an address"),
        ("/symbols/", "'/symbols/' is not an address"),
        ("/risk/on", "there is no portfolio 'on'; did you mean 'one'?"),
        ("/backtests/x", "there is no run 'x'"),
        (f"{MINUTES[:-2]}2d", "there is no timeframe '2d'"),
        ("/overview?dat=2024-03-28", "there is no parameter 'dat' of /overview; did you mean"),
        ("/overview?date=today", "date 'today' is not a date"),
        ("/overview?date=2024-03-30", "no scanner looked at 2024-03-30"),
        ("/overview?scanner=cpr", "there is no scanner 'cpr'; did you mean 'crp'?"),
        (f"{MINUTES}?points=0", "points '0' is not a number of points"),
        (f"{MINUTES}?points=20001", "points '20001' is not a number of points"),
        (f"{MINUTES}?points=00000000199999999", "points '00000000199999999' is not a number"),
        (f"{MINUTES}?points=%C2%B2", "points '²' is not a number of points"),
        (f"{MINUTES}?points={'9' * 3000}", "is not a number of points"),
        (f"{MINUTES}?points=", "points '' is not a number of points"),
        (f"{MINUTES}?points=5&points=7", "a parameter is given twice"),
        (f"{MINUTES}?points=1e3", "points '1e3' is not a number of points"),
        (f"{MINUTES}?from=2024-03-28T09:30Z", "is not an exchange-local time"),
        ("/symbols/" + "A" * 999, "AAA' is not an address"),
        ("http://[", "is not an address"),
    ],
)
def test_an_address_that_names_nothing_is_refused_in_one_line(
    address: str, said: str, publication: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(NotHere) as refused:
        answer(publication, address)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.remedy
    assert len(str(refused.value)) < 300


def test_a_session_and_scanners_can_be_chosen(publication: duckdb.DuckDBPyConnection) -> None:
    assert len(answer(publication, f"/overview?date={SESSION}&scanner=crp")["signals"]) == 1
    assert answer(publication, "/overview?scanner=sideways")["signals"] == []
    assert {row["scanner"] for row in answer(publication, "/scanners")["candidates"]} == {
        "crp",
        "sideways",
    }
    assert answer(publication, "/backtests?scanner=sideways")["runs"] == []


def test_bars_are_thinned_to_points_that_keep_their_extremes() -> None:
    connection = one_bar()
    connection.execute(
        """
        insert into bars.ohlcv by name
        select
            $symbol as symbol, '1m' as timeframe, bar_ts, bar_ts + interval 1 minute as bar_end,
            bar_ts::date as session_date, n as adjusted_open,
            n + if(n % 100 = 50, 200, 10) as adjusted_high,
            n - if(n % 100 = 50, 200, 10) as adjusted_low,
            n + 1 as adjusted_close, 1 as adjusted_volume
        from (
            select n, timestamp '2024-01-01 09:00' + to_minutes(n) as bar_ts
            from range(1000) as numbers(n)
        );
        insert into serving.latest_bars by name select $symbol as symbol, '1m' as timeframe
        """.replace("$symbol", "'" + SYMBOL + "'")
    )
    whole = answer(connection, f"{MINUTES}?points=10")
    assert whole["bars_per_point"] == 100
    columns = whole["columns"]
    assert columns["open"] == [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]
    assert (columns["high"][0], columns["low"][0]) == (250, -150)
    assert columns["close"][-1] == 1000
    assert columns["volume"] == [100] * 10
    assert whole["last_minute"] - whole["first_minute"] == 999

    part = answer(connection, f"{MINUTES}?from=2024-01-01T10:00&to=2024-01-01T10:30&points=500")
    assert part["bars_per_point"] == 1
    assert part["columns"]["open"] == list(range(60, 90))
    assert part["first_minute"] == whole["first_minute"]
    # the last bar is not the last point: its time, and its change from the session before
    first_minute = whole["first_minute"]
    assert whole["last"] == {
        "minute": first_minute + 999,
        "close": 1000,
        "session_return": 0.111111111,
    }
    assert part["last"] == {"minute": first_minute + 89, "close": 90, "session_return": None}
    connection.close()


def test_coverage_of_a_calendar_has_its_own_symbols() -> None:
    """What is rejected has no calendar, and took the first places of another calendar's picture."""
    connection = one_bar()
    session = date(2024, 3, 28)
    connection.execute("delete from bars.staleness")
    insert(connection, "bars.sessions", calendar="XNYS", session_date=session)
    insert(connection, "bars.staleness", calendar="XNYS", timeframe="1d", last_session_date=session)
    insert(connection, "bars.staleness", symbol="ELSEWHERE", calendar="XNSE", timeframe="1m")
    for relation in ("bars.rejected", "bars.suspect_jumps"):
        for symbol in ("ELSEWHERE", "UNREAD"):
            found = {"symbol": symbol, "timeframe": "1d", "session_date": session}
            insert(connection, relation, **found)
    coverage = answer(connection, "/quality")["coverage"]
    connection.close()
    assert "ELSEWHERE" not in json.dumps(coverage)
    # one without a bar is of whatever calendar is shown
    assert "UNREAD" in json.dumps(coverage)


def test_numbers_become_json() -> None:
    assert [plain(value) for value in (float("nan"), float("-inf"), None, True, 12.0)] == [
        *(None, None, None, True, 12)
    ]
    assert plain(1 / 3) == 0.333333333
    assert plain({"a": [1 / 3]}, 3) == {"a": [0.333]}
    assert plain(datetime(2024, 3, 28, 9, 30, 0, 5)) == "2024-03-28 09:30:00"


def test_a_panel_has_no_more_values_than_a_page_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duckbourse.pages.asking.MOST_VALUES", 12)
    panels = Panels(duckdb.connect())
    query = "select range as one, range as two from range($count)"
    assert len(panels.rows("few", query, count=6)) == 6
    with pytest.raises(TooMuch, match="many has more than 12 values"):
        panels.rows("many", query, count=7)
