"""Timestamps are interpreted by counts; if these do not decide, nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.ingest.calendars import calendars
from duckbourse.ingest.inference.timestamp_formats import epoch_sql
from duckbourse.ingest.inference.timestamps import (
    DAY,
    EPOCH,
    Edges,
    Spacing,
    epoch,
    iso,
    keeps_hours,
    kind_by_spacing,
    label_by_hours,
)
from duckbourse.ingest.schema import Kind

WHOLE_DAYS = Edges(
    sessions=10,
    at_open=0,
    after_open=10,
    before_close=10,
    at_close=0,
    at_noon=10,
    stamps=3_750,
    inside=3_750,
)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ({60.0: 370, 120.0: 4}, Kind.MINUTE),
        ({60.0: 5, 120.0: 6, 180.0: 5, 300.0: 3, 420.0: 4}, Kind.MINUTE),  # illiquid
        ({300.0: 70, 64_800.0: 5}, "5-minute"),
        ({900.0: 25, 1_800.0: 3}, "15-minute"),
        ({180.0: 100}, "3-minute"),
        ({3_600.0: 25, 1_800.0: 5, 66_600.0: 4}, "60-minute"),
        ({1.0: 50, 2.0: 20, 5.0: 3}, "second or tick"),
        ({1.0 * DAY: 200, 3.0 * DAY: 50}, Kind.DAILY),
        ({23 * 3600.0: 1, 24 * 3600.0: 90, 25 * 3600.0: 1}, Kind.DAILY),  # daylight saving
        ({7.0 * DAY: 50}, "7-day"),
        ({31.0 * DAY: 7, 30.0 * DAY: 4, 28.0 * DAY: 1}, "31-day"),
    ],
)
def test_spacing_decides_the_kind_of_bars(gaps: dict[float, int], expected: Kind | str) -> None:
    assert kind_by_spacing(Spacing(gaps, sum(gaps.values()) + 1, dated=False)) == expected


def test_two_dates_a_week_apart_are_not_weekly_bars() -> None:
    assert kind_by_spacing(Spacing({7.0 * DAY: 5_000}, longest=2, dated=True)) is Kind.DAILY


def test_one_timestamp_is_daily_only_without_a_time_of_day() -> None:
    assert kind_by_spacing(Spacing({}, longest=1, dated=True)) is Kind.DAILY
    assert kind_by_spacing(Spacing({}, longest=1, dated=False)) is None


@given(
    st.integers(2, 240),
    st.dictionaries(st.integers(1, 40), st.integers(1, 50), max_size=5),
    st.integers(60, 500),
)
def test_no_coarser_grid_is_taken_for_minutes(
    minutes: int, holes: dict[int, int], count: int
) -> None:
    gaps = {60.0 * minutes * many: number for many, number in holes.items()}
    gaps[60.0 * minutes] = gaps.get(60.0 * minutes, 0) + count + max(gaps.values(), default=0)
    assert kind_by_spacing(Spacing(gaps, count, dated=False)) == f"{minutes}-minute"


def test_labels_are_inferred_from_the_ends_of_sessions() -> None:
    assert label_by_hours(replace(WHOLE_DAYS, at_open=10)) == "start"
    assert label_by_hours(replace(WHOLE_DAYS, at_close=10)) == "end"
    assert label_by_hours(WHOLE_DAYS) is None
    # extended hours include both ends
    assert label_by_hours(replace(WHOLE_DAYS, at_open=10, at_close=10)) is None
    # one odd print at the close does not outweigh a month of starts
    assert label_by_hours(replace(WHOLE_DAYS, at_open=10, at_close=1)) == "start"


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_two_labels_are_mirror_images(at_open: int, at_close: int) -> None:
    edges = replace(WHOLE_DAYS, sessions=40, at_open=at_open, at_close=at_close)
    mirrored = replace(edges, at_open=at_close, at_close=at_open)
    mirror = {"start": "end", "end": "start", None: None}
    if at_open != at_close:
        assert label_by_hours(mirrored) == mirror[label_by_hours(edges)]


def test_hours_are_kept_by_whole_sessions_only() -> None:
    new_york = calendars()["XNYS"]
    whole = replace(WHOLE_DAYS, at_close=10)
    assert keeps_hours(whole, new_york)
    assert not keeps_hours(replace(whole, at_noon=0), new_york)  # Hong Kong has a lunch break
    assert not keeps_hours(replace(whole, inside=3_000), new_york)
    assert not keeps_hours(whole, calendars()["ALWAYS"])


@pytest.mark.parametrize(
    "text",
    ["1550000000", "1550000000.0", "1550000000000", "15500000" * 2, "155" + "0" * 16, "-631152000"],
)
def test_epochs_are_recognized_by_their_digits(text: str) -> None:
    assert epoch([text, text, "x"]) is EPOCH
    assert epoch([text, "x", "x"]) is None


def test_each_epoch_has_the_unit_of_its_own_digits() -> None:
    second = 1_735_689_600  # 2025-01-01
    texts = {f"{second}{'0' * zeros}{end}" for zeros in (0, 3, 6, 9) for end in ("", ".0")}
    older = {f"{631_152_000}{'0' * zeros}" for zeros in (0, 3, 6, 9)}  # 1990-01-01
    dates = {"20250101", "202501010915", "20250101091500", "x", ""}
    with duckdb.connect() as con:
        listed = ", ".join(f"('{text}')" for text in {*texts, *older, *dates, "-631152000"})
        found = dict(
            con.execute(
                f"select found, {epoch_sql('found')} from (values {listed}) as t (found)"
            ).fetchall()
        )
    assert {found[text] for text in texts} == {datetime(2025, 1, 1)}
    assert {found[text] for text in older} == {datetime(1990, 1, 1)}
    assert {found[text] for text in dates} == {None}
    assert found["-631152000"] == datetime(1950, 1, 1)


@pytest.mark.parametrize("text", ["20190213", "201902130931", "20190213093100", "13-02-2019"])
def test_dates_made_of_digits_are_not_epochs(text: str) -> None:
    assert epoch([text]) is None
    assert iso([text]) is None
