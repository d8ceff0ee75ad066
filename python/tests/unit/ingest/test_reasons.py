"""The report says why rows are unreadable, and what the build will reject, by the build's rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.ingest.rejections import SOUND
from duckbourse.ingest.schema import LINE_RULES, REJECTED, RULES, WHY
from duckbourse.settings import PROJECT
from duckbourse.templates import macro_sql
from tests.support.commands import bourse
from tests.support.stores import HEADER, Shop, minutes

pytestmark = pytest.mark.some_day

# known to the build only
OF_THE_BUILD = {"unknown_calendar", "no_session"}
GOOD = [f"2024-02-{day:02d},10,11,9,10,100" for day in range(1, 29)]
BAD = [
    "2024-13-45,10,11,9,10,100",
    "2024-03-02,10,11,9,ten,100",
    "2024-03-03,10,11,9,eleven,100",
    "2024-03-04,10,11,9,twelve,100",
    "2024-03-05,10,11,9,thirteen,100",
    "2024-03-06,10,9,9,10,100",
    "2024-03-07,10,11,9,-10,100",
    "2024-03-08,10,11,9,10",
    "2099-03-07,10,11,9,10,7",
]


def report(tmp_path: Path, path: Path, *words: str) -> tuple[dict[str, Any], list[str]]:
    arguments = ("ingest", str(path), "--max-unreadable-pct", "50", *words)
    found = bourse(tmp_path / "data", *arguments, "--dry-run", "--json")
    shown = bourse(tmp_path / "data", *arguments, "--dry-run")
    assert (found.returncode, shown.returncode) == (0, 0), shown.stderr
    [one] = json.loads(found.stdout)["files"]
    return one, shown.stderr.splitlines()


def test_each_reason_has_its_count_and_its_first_rows(shop: Shop, tmp_path: Path) -> None:
    path = shop.csv("BAD.csv", GOOD + BAD)
    found, lines = report(tmp_path, path, "--calendar", "XNYS")
    bar = "symbol BAD, session_date {}, open 10.0, high {}, low 9.0, close {}, volume {}"
    assert lines[1:] == [
        "BAD.csv: 1 row is unreadable_timestamp, no date or time as the file writes them:"
        " line 30: date '2024-13-45'",
        "BAD.csv: 4 rows are unreadable_close, not a number: line 31: close 'ten';"
        " line 32: close 'eleven'; line 33: close 'twelve'; …",
        "BAD.csv: 1 row is too_few_columns, fewer columns than the header:"
        " line 37: 2024-03-08,10,11,9,10",
        "BAD.csv: the build will reject 1 row as high_is_not_highest, another price is higher than"
        " the high: line 35: " + bar.format("2024-03-06", "9.0", "10.0", "100.0"),
        "BAD.csv: the build will reject 1 row as price_not_positive, a price is 0 or negative:"
        " line 36: " + bar.format("2024-03-07", "11.0", "-10.0", "100.0"),
        "BAD.csv: the build will reject 1 row as future_stamp, the bar ends after it was delivered:"
        " line 38: " + bar.format("2099-03-07", "11.0", "10.0", "7.0"),
    ]
    assert (found["rows_kept"], found["rows_unreadable"], found["rows_rejected"]) == (31, 6, 3)
    assert found["unreadable"][1]["count"] == 4
    assert found["unreadable"][1]["rows"][1] == {
        "row": 31,
        "line": 32,
        "field": "close",
        "value": "eleven",
        "content": json.dumps(
            dict(zip(HEADER.split(","), BAD[2].split(","), strict=True)), separators=(",", ":")
        ),
    }
    high = found["rejected"][0]
    assert (high["rule"], high["rows"][0]["field"], high["rows"][0]["value"]) == (
        "high_is_not_highest",
        "high",
        "9.0",
    )


def test_a_bar_of_the_day_after_its_delivery_is_rejected(shop: Shop, tmp_path: Path) -> None:
    path = shop.csv("NEXT.csv", ["2024-03-05,10,11,9,10,100", "2024-03-07,10,11,9,10,100"])
    words = ("--calendar", "XNYS", "--delivered-at", "2024-03-06T12:00:00Z")
    found, _ = report(tmp_path, path, *words)
    assert [(each["rule"], each["count"]) for each in found["rejected"]] == [("future_stamp", 1)]


def test_a_refused_file_has_its_reasons_too(shop: Shop, tmp_path: Path) -> None:
    path = shop.csv("BAD.csv", GOOD + BAD)
    done = bourse(tmp_path / "data", "ingest", str(path), "--calendar", "XNYS", "--json")
    assert done.returncode == 3
    [one] = json.loads(done.stdout)["files"]
    assert [(each["rule"], each["why"]) for each in one["unreadable"]][1] == (
        "unreadable_close",
        "not a number",
    )


def test_of_a_date_and_a_time_both_are_shown(shop: Shop, tmp_path: Path) -> None:
    rows = [row.replace(" ", ",") for row in minutes("2024-01-02", "09:15", 60)]
    rows[30] = rows[30].replace("09:45:00", "09:75:00")
    path = shop.csv("M.csv", rows, "date,time,open,high,low,close,volume")
    _, lines = report(tmp_path, path, "--calendar", "XNSE")
    assert lines[-1] == (
        "M.csv: 1 row is unreadable_timestamp, no date or time as the file writes them:"
        " line 32: date and time '2024-01-02 09:75:00'"
    )


def test_minutes_are_rejected_by_the_same_rules(shop: Shop, tmp_path: Path) -> None:
    rows = minutes("2024-01-02", "09:15", 60)
    rows[3] = "2024-01-02 09:18:00,0,0,0,0,0"
    rows[4] = "2024-01-02 09:19:00,100,101,101,100,10"
    found, lines = report(tmp_path, shop.csv("M.csv", rows), "--calendar", "XNSE")
    assert lines[-2:] == [
        "M.csv: the build will reject 1 row as nothing_traded, no price and no volume, as vendors"
        " write a day without a trade: line 5: symbol M, bar_ts 2024-01-02 09:18:00, open 0.0, high"
        " 0.0, low 0.0, close 0.0, volume 0.0",
        "M.csv: the build will reject 1 row as low_is_not_lowest, another price is lower than the"
        " low: line 6: symbol M, bar_ts 2024-01-02 09:19:00, open 100.0, high 101.0, low 101.0,"
        " close 100.0, volume 10.0",
    ]
    assert [one["rule"] for one in found["rejected"]] == ["nothing_traded", "low_is_not_lowest"]


def test_every_rule_has_its_words() -> None:
    assert {*RULES, *LINE_RULES.values()} == WHY.keys()
    rules = {
        rule
        for name in ("broken_price_rule", "broken_time_rule")
        for rule in re.findall(
            r"then '(\w+)'", (PROJECT / "macros" / "bars" / f"{name}.sql").read_text()
        )
    }
    assert rules - OF_THE_BUILD == REJECTED.keys()


def test_a_sound_bar_breaks_no_rule() -> None:
    rule = macro_sql("macros/bars/broken_price_rule.sql", "broken_price_rule")
    prices = "-1, 0, 1e-13, 1e-6, 1.1e-6, 1, 1.0000001, 9.9e8, 1e9, 1e12, 'nan', 'inf', null"
    volumes = "-1, 0, 1, 1e9, 2147483647, 1e19, 'nan', null"
    bars = " cross join ".join(
        f"unnest([{prices}]::double[]) as _{name} ({name})"
        for name in ("open", "high", "low", "close")
    )
    [(sound, broken)] = duckdb.execute(
        f"select count(*) filter (where rule is null), count(rule) from (select {rule} as rule"
        f" from {bars} cross join unnest([{volumes}]::double[]) as _volume (volume) where {SOUND})"
    ).fetchall()
    assert sound > 100
    assert broken == 0


def test_the_rule_is_that_of_the_macro_without_dbt() -> None:
    rule = macro_sql("macros/bars/broken_price_rule.sql", "broken_price_rule")
    bars = "(values (1.0, 0.9, 0.8, 1.0, 5)) as bars (open, high, low, close, volume)"
    assert duckdb.execute(f"select {rule} from {bars}").fetchall() == [("high_is_not_highest",)]


def test_a_path_that_does_not_exist_is_a_wrong_name_and_an_empty_folder_is_done(
    tmp_path: Path,
) -> None:
    """So a folder of drops from which files are moved away keeps every weekend green."""
    names = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    for paths, code in ((names[:1], 2), (names, 2), ([str(tmp_path / "drops"), names[0]], 2)):
        (tmp_path / "drops").mkdir(exist_ok=True)
        assert bourse(tmp_path / "data", "ingest", *paths).returncode == code
    done = bourse(tmp_path / "data", "ingest", str(tmp_path / "drops"))
    assert (done.returncode, done.stderr) == (
        0,
        f"{tmp_path}/drops: nothing to ingest: the folder is empty\n",
    )
    (tmp_path / "drops" / "A.csv").write_text("x")
    assert bourse(tmp_path / "data", "ingest", str(tmp_path / "drops"), names[0]).returncode == 3


def test_in_a_pipe_a_long_name_is_not_wrapped(shop: Shop, tmp_path: Path) -> None:
    path = shop.csv(f"{'LONG' * 50}.csv", GOOD)
    words = ("--calendar", "XNYS", "--symbol", "A")
    assert f"{path.name} " in bourse(tmp_path / "data", "ingest", str(path), *words).stdout
