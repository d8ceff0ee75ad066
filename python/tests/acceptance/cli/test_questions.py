"""`status`, `tables`, `list` and `doctor`: on the sample, on nothing, and with something wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse import state
from duckbourse.cli import doctor
from duckbourse.cli.catalog import LAYERS
from duckbourse.ingest.store import sole_writer
from duckbourse.orders.journal import lock_folder
from tests.support.commands import Ended, bourse, completions
from tests.support.publications import make
from tests.support.warehouse import Warehouse, empty_store


@pytest.fixture
def data(sample: Warehouse, tmp_path: Path) -> Path:
    folder = empty_store(tmp_path / "data")
    (folder / "duckbourse.duckdb").symlink_to(sample.file)
    return folder


def lines(done: Ended) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {line[:12].strip(): line[12:] for line in done.stdout.splitlines()}


@pytest.mark.some_day
def test_status_says_what_is_published_and_how_old_it_is(data: Path, sample: Warehouse) -> None:
    ((build, revision, version),) = sample.query(
        "select build_id, git_revision, data_version from serving.publication"
    )
    shown = bourse(data, "status").stdout
    assert f"build {build}" in shown
    assert f"from revision {revision}, data {version}" in shown
    found = lines(bourse(data, "status"))
    assert found["XNYS 1d"].startswith("latest bar: ")
    assert "behind (XNYS last closed on " in found["XNYS 1d"]
    # they reach further than the bars
    assert found["closes"] == ("adjusted ones of XNYS to 2022-12-28; portfolios and risk use them")
    assert (found["building"], found["trading"]) == ("no", "no")
    assert " free of " in found["disk"]
    report = json.loads(bourse(data, "status", "--json").stdout)
    assert report["newest_closes"] == [{"calendar": "XNYS", "last_session_date": "2022-12-28"}]
    assert report["publication"]["build_id"] == build
    assert report["newest_bars"][0]["calendar"] == "XNYS"
    assert report["build"] is None
    assert report["trading"] == []
    assert report["disk"]["bytes"]["raw"] > 0


@pytest.mark.some_day
def test_status_says_what_is_running_and_disturbs_nothing(data: Path) -> None:
    folder = data / "trading" / "paper_us"
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(
        json.dumps(
            {
                "account": "paper_us",
                "session_date": "2010-05-28",
                "calendar": "XNYS",
                "zone_name": "America/New_York",
                "capital_amount": "100000",
            }
        )
    )
    lock = lock_folder(folder)
    try:
        with state.sole_owner(data / "build" / "duckbourse.duckdb"):
            found = lines(bourse(data, "status"))
            assert f" by process {os.getpid()}" in found["building"]
            assert found["trading"] == "paper_us on 2010-05-28"
    finally:
        lock.close()
    found = lines(bourse(data, "status"))
    assert (found["building"], found["trading"]) == ("no", "no")
    with state.sole_owner(data / "build" / "duckbourse.duckdb"):
        lock_folder(folder).close()


@pytest.mark.some_day
def test_without_a_publication_status_says_so_and_the_others_give_the_remedy(
    tmp_path: Path,
) -> None:
    data = empty_store(tmp_path / "data")
    assert lines(bourse(data, "status"))["published"] == "nothing yet: run `./bourse build`"
    (data / "build").mkdir(exist_ok=True)
    (data / "build" / "duckbourse.duckdb").touch()
    (data / ".restoring-half" / "raw").mkdir(parents=True)
    (data / ".restoring-half" / "raw" / "x").write_bytes(bytes(2_000_000))
    stopped = lines(bourse(data, "status"))
    assert stopped["published"] == (
        "nothing yet: a build was stopped or was not green: run `./bourse build`"
    )
    assert stopped["restoring"] == "stopped: run the same `./bourse restore` again"
    left = findings(data)["leftover files"]
    assert "1 of a command that was killed, 2.0 MB" in left["found"]
    assert left["remedy"] == "run the same `./bourse restore` again, or delete them"
    for words in (("tables",), ("list", "symbols"), ("list", "presets")):
        done = bourse(data, *words)
        assert done.returncode == 5
        assert done.stderr.startswith("error: nothing has been published at ")
        assert "remedy: run `./bourse build`" in done.stderr


@pytest.mark.some_day
@pytest.mark.parametrize("damage", ["not a database", "no publication", "broken bars"])
def test_status_names_what_is_wrong_with_the_publication_and_shows_the_rest(
    damage: str, tmp_path: Path
) -> None:
    data = empty_store(tmp_path / "data")
    published = data / "duckbourse.duckdb"
    if damage == "not a database":
        published.write_bytes(b"0" * 20_000)
        problem = f"{published} is damaged, or is not a DuckDB database"
    else:
        with duckdb.connect(str(published)) as connection:
            connection.execute("create schema serving; create schema bars; create schema seeds")
            problem = f"{published} is a DuckDB database, but not a publication"
            if damage == "broken bars":
                connection.execute("""
                    create table serving.publication as select 'b1' as build_id;
                    create table seeds.calendars (calendar text, timezone text);
                    create table bars.sessions (
                        calendar text, session_date date, session_number int, close_ts timestamp
                    );
                    create view bars.staleness as
                        select error('a page is torn')::int as sessions_behind, 'A' as symbol,
                            'XNSE' as calendar, '1d' as timeframe, now() as last_bar_end,
                            date '2026-11-27' as last_session_date;
                """)
                problem = f"{published}: Invalid Input Error: a page is torn"
    found = lines(bourse(data, "status"))
    assert found["published"] == f"cannot be read: {problem}"
    assert (found["building"], found["trading"]) == ("no", "no")
    assert " free of " in found["disk"]
    report = json.loads(bourse(data, "status", "--json").stdout)
    assert (report["publication"], report["problem"]) == (None, problem)


def test_tables_are_listed_by_layer(data: Path) -> None:
    shown = bourse(data, "tables").stdout
    assert [line for line in shown.splitlines() if line in LAYERS] == LAYERS
    rows = json.loads(bourse(data, "tables", "--json").stdout)
    assert {"bars.ohlcv", "risk.var_estimates"} <= {row["relation"] for row in rows}
    assert re.search(
        r"^indicator_history\(p_symbol, p_timeframe\) +Every stored indicator of one series",
        shown,
        re.MULTILINE,
    )
    only = json.loads(bourse(data, "tables", "risk", "--json").stdout)
    assert only == [row for row in rows if row["layer"] == "risk"]


def test_a_table_macro_has_its_parameters_with_words(data: Path) -> None:
    shown = bourse(data, "tables", "bars_of").stdout
    assert shown == (
        "bars_of(p_symbol, p_timeframe)\n"
        "Every bar of one series, in order; the columns of bars.ohlcv.\n\n"
        "- `p_symbol`: Symbol of the series.\n"
        "- `p_timeframe`: Length of the bars: 1m, 5m, 15m, 30m, 1h, 1d or 1w.\n"
    )
    macro = json.loads(bourse(data, "tables", "indicators.rsi", "--json").stdout)
    assert macro["parameters"] == ["p_symbol", "p_timeframe", "p_period"]
    assert "did you mean 'crp_scan'?" in bourse(data, "tables", "crp_scna").stderr
    shell = {"_BOURSE_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    for words, found in {
        "./bourse tables crp_": "crp_scan",
        "./bourse tables bars.oh": "bars.ohlcv",
        "./bourse explain williams": "williams_r",
    }.items():
        assert bourse(data, **shell, COMP_WORDS=words).stdout.split() == [found]


@pytest.mark.some_day
def test_a_table_has_its_columns_with_types_and_words(tmp_path: Path) -> None:
    data = tmp_path / "data"
    built = data / "build" / "duckbourse.duckdb"
    make(built)
    assert bourse(data, "publish").returncode == 0
    done = bourse(data, "tables", "bars.ohlcv")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["bars.ohlcv", "3", "rows"],
        ["one", "row", "is", "a", "symbol", "Key:", "symbol."],
        ["column", "type", "description"],
        ["symbol", "varchar"],
        ["close", "decimal(18,4)", "as", "traded"],
    ]
    table = json.loads(bourse(data, "tables", "bars.ohlcv", "--json").stdout)
    assert table["description"] == "one row is a symbol Key: symbol."
    assert table["columns"][1] == {
        "column": "close",
        "type": "decimal(18,4)",
        "description": "as traded",
    }
    layer = bourse(data, "tables", "bars").stdout.splitlines()
    assert layer[0] == "bars"
    assert [re.split(r"\s{2,}", line.strip()) for line in layer[2:4]] == [
        ["bars.dear", "Expensive ones:"],
        ["bars.ohlcv", "3", "one row is a symbol Key: symbol"],
    ]


def test_an_unknown_table_has_the_nearest_name(data: Path) -> None:
    done = bourse(data, "tables", "bars.ohlc")
    assert done.returncode == 2
    assert done.stderr == (
        "error: the published file has no layer, table or table macro 'bars.ohlc';"
        " did you mean 'bars.ohlcv'?\n"
        "  remedy: `./bourse tables` lists all of them\n"
    )
    assert "did you mean 'bars.ohlcv'?" in bourse(data, "tables", "ohlcv").stderr
    done = bourse(data, "sql", "from bars.ohlc")
    assert done.returncode == 3
    assert "remedy: `./bourse tables` lists all tables" in done.stderr


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("symbols", "select distinct symbol from serving.latest_bars"),
        ("portfolios", "select portfolio from seeds.portfolios"),
        ("indicators", "select distinct indicator from serving.indicator_catalog"),
        ("accounts", "select account from seeds.trading_accounts"),
        ("presets", "select 'crp' from seeds.crp_presets"),
    ],
)
def test_everything_of_a_kind_is_listed(
    kind: str, query: str, data: Path, sample: Warehouse, tmp_path: Path
) -> None:
    wanted = sorted(str(name) for (name,) in sample.query(query))
    rows = json.loads(bourse(data, "list", kind, "--json").stdout)
    first = next(iter(rows[0]))
    names = [row[first] for row in rows if kind != "presets" or row[first] == "crp"]
    assert sorted(names) == wanted
    text = bourse(data, "list", kind, "--csv").stdout
    assert [row[first] for row in csv.DictReader(io.StringIO(text))] == [row[first] for row in rows]
    assert bourse(data, "list", kind, "--to", str(tmp_path / "l.parquet")).returncode == 0
    ((count,),) = duckdb.execute(f"select count(*) from '{tmp_path}/l.parquet'").fetchall()
    assert count == len(rows)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("trade", "--account", ""), ["paper_india", "paper_us"]),
        (("orders", "--account", "paper_u"), ["paper_us"]),
        (("trade", "--scanner", "cr"), ["crp"]),
        (("trade", "--preset", "hal"), ["half_year"]),
        (("scan", "--scanner", "gap"), ["gap"]),
        (("scan", "--preset", "high"), ["high_probability"]),
        (("risk", "eq"), ["equal_20"]),
    ],
)
def test_a_shell_completes_published_names(
    data: Path, words: tuple[str, ...], names: list[str]
) -> None:
    assert sorted(set(completions(data, *words))) == names


def test_scanners_are_listed_with_their_presets(data: Path, sample: Warehouse) -> None:
    rows = json.loads(bourse(data, "list", "scanners", "--json").stdout)
    assert len(rows) == 10
    (crp,) = (row for row in rows if row["scanner"] == "crp")
    assert crp["presets"].split() == sorted(
        str(name) for (name,) in sample.query("select preset from seeds.crp_presets")
    )
    assert [(crp["signal_count"],)] == sample.query(
        "select count(*) from scanners.signals where scanner = 'crp'"
    )


def test_csv_has_the_rows_that_a_file_has(data: Path, tmp_path: Path) -> None:
    for name, words in {
        "scan": ("scan", "--scanner", "crp.standard", "--date", "2010-05-28"),
        "risk": ("risk", "equal_20", "--date", "2010-05-06"),
        "backtest": ("backtest", "crp.standard"),
    }.items():
        done = bourse(data, *words, "--csv")
        assert done.returncode == 0, done.stderr
        shown = list(csv.DictReader(io.StringIO(done.stdout)))
        file = tmp_path / f"{name}.csv"
        assert bourse(data, *words, "--to", str(file)).returncode == 0
        with file.open() as opened:
            written = list(csv.DictReader(opened))
        assert len(shown) == len(written) > 0
        assert shown[0].keys() == written[0].keys()


def test_a_query_is_written_whole_and_reaches_no_other_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "n.parquet"
    done = bourse(data, "sql", "from range(1000);", "--limit", "5", "--to", str(file))
    assert done.stderr == f"1,000 rows written to {file}\n"
    done = bourse(data, "sql", "from nosuch", "--to", str(file))
    assert (done.returncode, "nosuch" in done.stderr) == (3, True)
    done = bourse(data, "sql", f"from '{file}'", "--to", str(tmp_path / "m.parquet"))
    assert (done.returncode, (tmp_path / "m.parquet").exists()) == (3, False)


def findings(data: Path) -> dict[str, dict[str, Any]]:
    done = bourse(data, "doctor", "--json")
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert done.returncode == any(one["level"] == "fail" for one in found.values())
    return found


@pytest.mark.some_day
def test_the_doctor_finds_nothing_where_nothing_is_wrong(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SKEW", timedelta.max)
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1)
    found = findings(data)
    assert {name: one["level"] for name, one in found.items()} == {
        "versions": "ok",
        "settings": "ok",
        "folders": "ok",
        "secrets": "ok",
        "build file": "ok",
        "published file": "ok",
        "disk": "ok",
        "leftover files": "ok",
        "clock": "ok",
        "calendars": "ok",
        "webhook": "ok",
        "accounts": "ok",
    }
    assert "duckdb 2.0.0" in found["versions"]["found"]
    shown = bourse(data, "doctor").stdout.splitlines()
    assert len(shown) == len(found)
    assert all(line.startswith("ok    ") for line in shown)


def test_the_doctor_names_every_setting_that_is_wrong(data: Path) -> None:
    done = bourse(
        data,
        "doctor",
        "--json",
        BOURSE_THREADS="none",
        BOURSE_WEBHOOK_URL="//x",
        BOURSE_KEEP_GB="-1",
    )
    assert done.returncode == 1
    [*others, threads, keep, webhook] = json.loads(done.stdout)
    assert [one["check"] for one in others] == ["versions", "secrets"]
    assert {one["check"] for one in (threads, keep, webhook)} == {"settings"}
    assert threads["found"].startswith("BOURSE_THREADS='none' is not usable: ")
    assert keep["found"].startswith("BOURSE_KEEP_GB='-1' is not usable: ")
    assert webhook == {
        "check": "settings",
        "level": "fail",
        "found": "BOURSE_WEBHOOK_URL is not usable: it is not an address of http:// or https://",
        "remedy": "set BOURSE_WEBHOOK_URL in the environment or in .env, or unset it for the"
        " default",
    }


@pytest.mark.some_day
def test_the_doctor_names_what_a_killed_ingest_left(data: Path) -> None:
    (data / "raw" / ".incoming" / "acme").mkdir(parents=True)
    with sole_writer(data / "raw"):
        assert findings(data)["leftover files"]["level"] == "ok"
    left = findings(data)["leftover files"]
    assert left["level"] == "warn"
    assert left["remedy"] == "run the same `./bourse ingest` again; any ingest removes it"


@pytest.mark.some_day
def test_the_doctor_names_what_is_wrong_with_a_remedy(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "build" / "spill").mkdir(parents=True)
    (data / "build" / "spill" / "x.tmp").write_text("x")
    (data / ".publishing-1.duckdb").write_text("x")
    data.chmod(0o777)
    (data / "duckbourse.duckdb").unlink()
    monkeypatch.setattr(doctor, "version", lambda name: "0.1")
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1e18)
    found = findings(data)
    for name, level, says in (
        ("versions", "fail", "dbt-core 0.1, not 1.11"),
        ("folders", "warn", "anyone on this machine can write to"),
        ("published file", "warn", "nothing has been published"),
        ("disk", "fail", "a build and its publication may need"),
        ("leftover files", "warn", "2 of a command that was killed"),
    ):
        assert (found[name]["level"], says in found[name]["found"]) == (level, True), found[name]
        assert found[name]["remedy"]
    shown = bourse(data, "doctor").stdout
    assert "fail  versions: Python " in shown
    assert "      remedy: delete .venv and run ./bourse" in shown


@pytest.mark.some_day
def test_the_doctor_says_who_holds_the_build_file(data: Path) -> None:
    database = data / "build" / "duckbourse.duckdb"
    make(database)
    with state.sole_owner(database):
        held = findings(data)["build file"]
        assert (held["level"], f"process {os.getpid()}" in held["found"]) == ("warn", True)
    opens = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        "sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", opens, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        held = findings(data)["build file"]
        assert (held["level"], f"process {other.pid} has " in held["found"]) == ("fail", True)
    finally:
        other.communicate(b"\n")
    assert findings(data)["build file"]["level"] in ("ok", "warn")


@pytest.mark.some_day
def test_a_newest_bar_in_the_future_is_a_wrong_clock(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SKEW", timedelta.max)
    monkeypatch.setattr(doctor, "AHEAD", timedelta(days=-40_000))
    found = findings(data)["clock"]
    assert (found["level"], "but the newest bar ends at" in found["found"]) == ("fail", True)


def test_without_a_data_folder_the_doctor_says_how_to_get_one(tmp_path: Path) -> None:
    found = findings(tmp_path / "nowhere")
    assert list(found) == ["versions", "secrets", "settings", "data folder"]
    assert found["data folder"]["level"] == "fail"
