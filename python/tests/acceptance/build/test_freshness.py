"""The age of the data by calendar: `freshness`, status, summary, staleness, dbt's sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse import clock
from duckbourse.freshness import checks, due_sessions, markets, newest_bar
from duckbourse.summary import summary
from tests.support.commands import bourse
from tests.support.deliveries import shipped
from tests.support.receiver import Receiver
from tests.support.warehouse import Warehouse, copied_from, empty_store

INDIA = timedelta(hours=5, minutes=30)


def deliver(
    data: Path, kind: str, calendar: str, last: str, source: str = "vendor", name: str = ""
) -> None:
    """Write the manifest of a delivery that ends with a session."""
    name = name or f"{source}-{calendar}-{kind}-{last}"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace ('{name}' as delivery, '{kind}' as kind, '{source}' as source,"
            f" '{calendar}' as calendar, date '{last}' as last_session) from"
            f" {shipped('deliveries')} limit 1) to '{data}/raw/deliveries/{name}.parquet'"
        )


def test_dbt_reports_since_when_a_session_is_owed(sample: Warehouse, tmp_path: Path) -> None:
    """By dbt's own clock: daily bars without the last closed session; no minutes were expected."""
    copied = copied_from(sample, tmp_path)
    alone = Warehouse(copied.data, copied.target, sample=False)
    deliver(alone.data, "daily", "XNSE", "2026-11-20")
    alone.dbt(
        *("build", "--select", "stg_raw__withdrawals", "stg_raw__deliveries"),
        *("--exclude-resource-types", "test", "unit_test"),
    )
    # the last sessions that have closed; the first of them is the one before the last
    [(before, _), (last, owed_at)] = duckdb.execute(
        f"""
        attach '{alone.file}' as built (read_only);
        select session_date, timezone('Asia/Kolkata', close_ts)::timestamptz
        from built.bars.sessions
        where calendar = 'XNSE' and timezone('Asia/Kolkata', close_ts) <= now()
        order by session_date desc limit 2
        """
    ).fetchall()[::-1]
    duckdb.execute("detach built")
    for delivered, since in ((before, owed_at), (last, None)):
        deliver(alone.data, "daily", "XNSE", str(delivered))
        alone.dbt("--write-json", "source", "freshness", check=False)
        found = json.loads((alone.target / "sources.json").read_text())["results"]
        results = {result["unique_id"].split(".")[-1]: result for result in found}
        assert results.keys() == {"daily", "minute"}
        assert results["minute"]["status"] == "pass"
        daily = results["daily"]
        age = timedelta(seconds=daily["max_loaded_at_time_ago_in_s"])
        if since is None:
            assert (daily["status"], age) == ("pass", timedelta(0))
        else:
            loaded = datetime.fromisoformat(daily["max_loaded_at"])
            assert loaded == since.astimezone(UTC)
            expected = "pass" if age < timedelta(hours=4) else "warn"
            assert daily["status"] == ("error" if age > timedelta(hours=24) else expected)


def test_a_series_is_behind_by_the_sessions_since(sample: Warehouse) -> None:
    wrong = sample.query("""
        select symbol, timeframe, sessions_behind_now, (
            select count(*) from bars.sessions
            inner join seeds.calendars using (calendar)
            where
                sessions.calendar = staleness.calendar
                and session_date > last_session_date
                and close_ts at time zone timezone <= now()
        ) as counted
        from bars.staleness
        where sessions_behind_now != counted
    """)
    assert wrong == []


@pytest.fixture(scope="module")
def shown(sample: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """The calendars of the sample, with a table that a test fills in place of `bars.staleness`."""
    with duckdb.connect() as connection:
        connection.execute(f"""
            attach '{sample.file}' as sample (read_only);
            create schema bars;
            create schema seeds;
            create table seeds.calendars as from sample.seeds.calendars;
            create table bars.sessions as from sample.bars.sessions;
            create table bars.staleness as from sample.bars.staleness limit 0;
        """)
        yield connection


@pytest.mark.parametrize(
    ("calendar", "now", "by", "due"),
    [
        # a Friday in India: open, closed, and due when the vendor's time has come
        ("XNSE", "2026-11-27 10:00 +05:30", None, "2026-11-26"),
        ("XNSE", "2026-11-27 15:29:59 +05:30", None, "2026-11-26"),
        ("XNSE", "2026-11-27 15:30 +05:30", None, "2026-11-27"),
        ("XNSE", "2026-11-27 18:29:59 +05:30", "18:30", "2026-11-26"),
        ("XNSE", "2026-11-27 18:30 +05:30", "18:30", "2026-11-27"),
        # before the close, the time is that of the next day
        ("XNSE", "2026-11-27 23:59 +05:30", "06:00", "2026-11-26"),
        ("XNSE", "2026-11-28 06:00 +05:30", "06:00", "2026-11-27"),
        # the same instant in three time zones; New York closed at 13:00, after Thanksgiving
        ("XNSE", "2026-11-27 20:00 +00:00", None, "2026-11-27"),
        ("XNYS", "2026-11-27 17:59:59 +00:00", None, "2026-11-25"),
        ("XNYS", "2026-11-27 18:00 +00:00", None, "2026-11-27"),
        ("ALWAYS", "2026-11-27 20:00 +00:00", None, "2026-11-26"),
        ("ALWAYS", "2026-11-28 00:00 +00:00", None, "2026-11-27"),
        ("ALWAYS", "2026-11-28 18:29 +00:00", "18:30", "2026-11-26"),
        ("ALWAYS", "2026-11-28 18:30 +00:00", "18:30", "2026-11-27"),
        # a weekend, and Christmas, a Friday
        ("XNSE", "2026-11-29 23:00 +05:30", "18:30", "2026-11-27"),
        ("XNYS", "2026-12-25 23:00 -05:00", "18:30", "2026-12-24"),
        ("XNSE", "2026-12-25 23:00 +05:30", "18:30", "2026-12-24"),
        # Muhurat trading, on a Sunday evening until 19:15
        ("XNSE", "2026-11-08 18:45 +05:30", None, "2026-11-06"),
        ("XNSE", "2026-11-08 19:15 +05:30", None, "2026-11-08"),
        ("XNSE", "2026-11-08 23:00 +05:30", "18:30", "2026-11-06"),
        # New York's close is 21:00 in UTC in winter, and 20:00 from 8 March
        ("XNYS", "2026-03-06 20:59 +00:00", None, "2026-03-05"),
        ("XNYS", "2026-03-09 20:00 +00:00", None, "2026-03-09"),
    ],
)
def test_the_session_that_is_due(
    shown: duckdb.DuckDBPyConnection, calendar: str, now: str, by: str | None, due: str
) -> None:
    with clock.driven_by(lambda: datetime.fromisoformat(now)):
        found = due_sessions(shown, time.fromisoformat(by) if by else None)[calendar]
    assert str(found["due_session"]) == due
    assert not found["is_calendar_over"]


def market(
    connection: duckdb.DuckDBPyConnection, now: str, *series: tuple[str, str, str, int]
) -> list[dict[str, Any]]:
    """Return the markets of these series: symbol, timeframe, end of the last bar, and lateness."""
    connection.execute("delete from bars.staleness")
    for symbol, timeframe, end, behind in series:
        connection.execute(
            "insert into bars.staleness by name (select $symbol as symbol, $timeframe as timeframe,"
            " 'XNSE' as calendar, $end::timestamp as last_bar_end, $end::date as last_session_date,"
            " $behind as sessions_behind)",
            {"symbol": symbol, "timeframe": timeframe, "end": end, "behind": behind},
        )
    with clock.driven_by(lambda: datetime.fromisoformat(now)):
        return markets(connection)


@pytest.mark.parametrize(
    ("now", "age"),
    [
        ("2026-11-26 15:30 +05:30", "up to date"),
        # while the next session is open
        ("2026-11-27 15:29 +05:30", "up to date"),
        ("2026-11-27 15:30 +05:30", "1 session behind (XNSE last closed on 2026-11-27)"),
        ("2026-11-29 12:00 +05:30", "1 session behind (XNSE last closed on 2026-11-27)"),
        ("2026-11-30 15:30 +05:30", "2 sessions behind (XNSE last closed on 2026-11-30)"),
        # in the session of the bar itself
        ("2026-11-26 12:00 +05:30", "up to date"),
        (
            "2028-01-01 00:00 +05:30",
            "its age is unknown, since XNSE's calendar ends on 2027-12-31",
        ),
    ],
)
def test_an_age_is_in_sessions(shown: duckdb.DuckDBPyConnection, now: str, age: str) -> None:
    [one] = market(shown, now, ("INFY", "1d", "2026-11-26 15:30", 0))
    assert newest_bar(one) == f"latest bar: INFY, 2026-11-26 15:30; {age}"


def test_each_market_has_its_own_age(shown: duckdb.DuckDBPyConnection) -> None:
    """Minutes that end early are not hidden by days that are up to date, nor symbols by others."""
    found = market(
        shown,
        "2026-11-27 18:00 +05:30",
        ("INFY", "1d", "2026-11-27 15:30", 0),
        ("TCS", "1d", "2026-11-25 15:30", 2),
        ("INFY", "1m", "2010-11-26 15:30", 0),
    )
    assert [(each["timeframe"], newest_bar(each)) for each in found] == [
        (
            "1d",
            "latest bar: INFY, 2026-11-27 15:30; up to date; 1 of 2 symbols is older",
        ),
        (
            "1m",
            "latest bar: INFY, 2010-11-26 15:30; 3,966 sessions behind"
            " (XNSE last closed on 2026-11-27)",
        ),
    ]


def numbered(count: int, session: str, prefix: str = "S") -> list[tuple[str, str, str, int]]:
    return [(f"{prefix}{n}", "1d", f"{session} 15:30", 0) for n in range(count)]


@pytest.mark.parametrize(
    ("series", "status", "found"),
    [
        (
            numbered(1, "2026-11-27", "A") + numbered(499, "2026-11-26"),
            "partial",
            "the 2026-11-27 XNSE session is published for only 1 of 500 symbols with bars in the 5"
            " sessions before it",
        ),
        # a vendor that was just as partial the evening before
        (numbered(1, "2026-11-27", "A") + numbered(4, "2026-11-25"), "partial", None),
        # half of them is enough
        (numbered(2, "2026-11-27", "A") + numbered(2, "2026-11-26"), "fresh", None),
        # the others were delisted, the last of them 6 sessions before
        (numbered(1, "2026-11-27", "A") + numbered(4, "2026-11-18"), "fresh", None),
        (numbered(1, "2026-11-27", "A") + numbered(4, "2026-11-19"), "partial", None),
    ],
    ids=["one of many", "again", "half", "delisted", "five sessions before"],
)
def test_a_part_of_the_symbols_is_no_session(
    shown: duckdb.DuckDBPyConnection,
    series: list[tuple[str, str, str, int]],
    status: str,
    found: str | None,
) -> None:
    now = "2026-11-27 18:30 +05:30"
    published = market(shown, now, *series)
    with clock.driven_by(lambda: datetime.fromisoformat(now)):
        due = due_sessions(shown)
    [check] = checks(due, published, [], ["XNSE"], None, None)
    assert check.status == status
    assert found in (None, check.found)


@pytest.mark.some_day
def test_the_summary_and_status_have_the_same_words(sample: Warehouse, tmp_path: Path) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        found = summary(connection)["newest_bars"]
    assert found is not None
    days, minutes = found
    assert (days["timeframe"], minutes["timeframe"]) == ("1d", "1m")
    assert minutes["sessions_behind"] > days["sessions_behind"] > 1300
    assert newest_bar(days).startswith("latest bar: ^IXIC, 2018-12-31 16:00; ")
    assert "latest bar: XOM, 2010-05-28 16:00; " in newest_bar(minutes)
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.file)
    lines = bourse(data, "status").stdout.splitlines()
    assert f"XNYS 1d     {newest_bar(days)}" in lines
    assert f"XNYS 1m     {newest_bar(minutes)}" in lines


VENDOR = "ingest the vendor's file, or ask the vendor; `./bourse deliveries` lists what is here"


@pytest.fixture
def evening(sample: Warehouse, tmp_path: Path) -> Iterator[Path]:
    """A data folder without deliveries and with the sample's publication, on a Friday at 18:30."""
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.file)
    with clock.driven_by(lambda: datetime(2026, 11, 27, 18, 30, tzinfo=UTC) - INDIA):
        yield data


BY = ("freshness", "--calendar", "XNSE", "--by", "18:30")


def test_a_vendor_that_sent_nothing(evening: Path, receiver: Receiver) -> None:
    deliver(evening, "daily", "XNSE", "2026-11-25", "other")
    deliver(evening, "daily", "XNSE", "2026-11-26")
    done = bourse(evening, *BY, BOURSE_SAMPLE="false", BOURSE_WEBHOOK_URL=receiver.address)
    sentence = (
        "no delivery by 18:30 for the 2026-11-27 XNSE session; the last delivery, from vendor, ends"
        " on 2026-11-26"
    )
    assert done.stdout == f"late         XNSE 1d     {sentence}\n"
    assert done.stderr == f"error: not up to date: XNSE 1d is late\n  remedy: {VENDOR}\n"
    assert done.returncode == 8
    [(_, event)] = receiver.got
    assert event["event"] == "data_late"
    assert event["text"] == f"late data on {event['host']}: {sentence}"
    [reported] = event["details"]["markets"]
    assert (reported["due_session"], reported["delivered_session"]) == ("2026-11-27", "2026-11-26")
    # a minute earlier it was not yet due
    with clock.driven_by(lambda: datetime(2026, 11, 27, 18, 29, tzinfo=UTC) - INDIA):
        done = bourse(evening, *BY, "--json", BOURSE_SAMPLE="false")
    [check] = json.loads(done.stdout)
    assert (check["status"], check["due_session"]) == ("unpublished", "2026-11-26")


def test_a_delivery_that_no_build_has_published(evening: Path) -> None:
    deliver(evening, "daily", "XNSE", "2026-11-27")
    done = bourse(evening, *BY, BOURSE_SAMPLE="false")
    remedy = 'run `./bourse build`; if it is green, see `./bourse sql "from bars.rejected"`'
    assert done.stdout == (
        "unpublished  XNSE 1d     vendor delivered the 2026-11-27 XNSE session, but it has not been"
        " published: no bars from it\n"
    )
    assert done.stderr == f"error: not up to date: XNSE 1d is unpublished\n  remedy: {remedy}\n"
    assert done.returncode == 8


def test_one_source_is_not_replaced_by_another(evening: Path) -> None:
    deliver(evening, "daily", "XNSE", "2026-11-27", "other")
    deliver(evening, "daily", "XNSE", "2026-11-26")
    done = bourse(evening, *BY, "--source", "vendor", BOURSE_SAMPLE="false")
    assert done.stdout.startswith(
        "late         XNSE 1d     no delivery from vendor by 18:30 for the 2026-11-27 XNSE session;"
        " the last delivery, from vendor, ends on 2026-11-26\n"
    )
    done = bourse(evening, *BY, "--source", "vendr", BOURSE_SAMPLE="false")
    assert (done.returncode, done.stderr) == (
        2,
        "error: there are no deliveries of source 'vendr'; did you mean 'vendor'?\n"
        "  remedy: `./bourse deliveries` lists them\n",
    )


def test_the_first_evening_without_a_delivery_is_announced(
    evening: Path, receiver: Receiver
) -> None:
    """Also of a source that has never delivered, of which no other is nearly the name."""
    hook = {"BOURSE_SAMPLE": "false", "BOURSE_WEBHOOK_URL": receiver.address}
    done = bourse(evening, "freshness", "--source", "bhavcopy", **hook)
    assert done.returncode == 8
    assert done.stderr == (
        "error: no bars were ever delivered by bhavcopy\n  remedy: see `./bourse ingest --help`\n"
    )
    deliver(evening, "daily", "XNSE", "2026-11-27", "other")
    done = bourse(evening, *BY, "--source", "bhavcopy", **hook)
    sentence = (
        "no delivery from bhavcopy by 18:30 for the 2026-11-27 XNSE session, and none before it"
    )
    assert done.stdout.startswith(f"late         XNSE        {sentence}\n")
    assert done.returncode == 8
    assert [(body["event"], body["text"].split(": ", 1)[1]) for _, body in receiver.got] == [
        ("data_late", "no bars were ever delivered by bhavcopy"),
        ("data_late", sentence),
    ]


def test_a_withdrawn_delivery_was_not_delivered(evening: Path) -> None:
    deliver(evening, "daily", "XNSE", "2026-11-27", name="wrong")
    done = bourse(evening, "deliveries", "withdraw", "wrong", "--yes", BOURSE_SAMPLE="false")
    assert done.returncode == 0, done.stderr
    done = bourse(evening, *BY, BOURSE_SAMPLE="false")
    assert done.stdout.startswith(
        "late         XNSE        no delivery by 18:30 for the 2026-11-27 XNSE session, and none"
        " before it\n"
    )


def test_a_published_session_is_fresh(evening: Path) -> None:
    """At the end of the sample's daily bars, whose minutes ended years before."""
    with clock.driven_by(lambda: datetime(2019, 1, 1, 3, 0, tzinfo=UTC)):
        done = bourse(evening, "freshness")
    days, minutes, *_ = done.stdout.splitlines()
    assert days == "fresh        XNYS 1d     the session of 2018-12-31 is published"
    assert minutes == (
        "late         XNYS 1m     no delivery for the 2018-12-31 XNYS session; the latest bar is of"
        " 2010-05-28"
    )
    assert done.returncode == 8
    with clock.driven_by(lambda: datetime(2010, 5, 28, 20, 0, tzinfo=UTC)):
        done = bourse(evening, "freshness", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {each["status"] for each in json.loads(done.stdout)} == {"fresh"}


def test_nothing_is_due_that_no_calendar_knows(evening: Path) -> None:
    with clock.driven_by(lambda: datetime(2028, 1, 3, 12, 0, tzinfo=UTC)):
        done = bourse(evening, *BY)
        found = json.loads(bourse(evening, "doctor", "--json").stdout)
    assert done.returncode == 8
    assert done.stdout == (
        "unknown      XNSE        the XNSE calendar ends on 2027-12-31, so the session due cannot"
        " be determined\n"
    )
    [calendars] = [one for one in found if one["check"] == "calendars"]
    assert calendars["level"] == "warn"
    # the only one with published bars
    assert calendars["found"] == "the sessions of XNYS end on 2027-12-31"


def test_mistakes_in_the_question(evening: Path, tmp_path: Path) -> None:
    done = bourse(evening, "freshness", "--calendar", "NSE")
    assert (done.returncode, done.stderr) == (
        2,
        "error: there is no calendar 'NSE'; did you mean 'XNSE'?\n"
        "  remedy: the calendars are ALWAYS, XNSE, XNYS\n",
    )
    done = bourse(evening, "freshness", "--by", "half past six")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --by 'half past six' is not a time of day\n"
        "  remedy: give hours and minutes, such as 10:20\n",
    )
    done = bourse(empty_store(tmp_path / "empty"), "freshness")
    assert done.returncode == 5
    assert done.stderr.endswith("remedy: run `./bourse build`\n")


def test_what_others_published_counts_unless_a_source_is_named(evening: Path) -> None:
    """The sample's daily bars end with 31 December 2018."""
    words = ("freshness", "--calendar", "XNYS", "--json")
    deliver(evening, "daily", "XNYS", "2018-12-28")
    with clock.driven_by(lambda: datetime(2019, 1, 1, 3, 0, tzinfo=UTC)):
        days, *_ = json.loads(bourse(evening, *words, BOURSE_SAMPLE="false").stdout)
        named = bourse(evening, *words, "--source", "vendor", BOURSE_SAMPLE="false")
    assert days["status"] == "fresh"
    assert [(each["status"], each["source"]) for each in json.loads(named.stdout)] == [
        ("late", "vendor")
    ]
    # a session after the last one that is published
    deliver(evening, "daily", "XNYS", "2019-01-02")
    with clock.driven_by(lambda: datetime(2019, 1, 2, 21, 0, tzinfo=UTC)):
        days, *_ = json.loads(bourse(evening, *words, BOURSE_SAMPLE="false").stdout)
    assert (days["status"], days["found"]) == (
        "unpublished",
        "vendor delivered the 2019-01-02 XNYS session, but it has not been published: the latest"
        " bar is of 2018-12-31",
    )
