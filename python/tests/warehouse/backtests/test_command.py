"""What `./bourse backtest` shows, writes and refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from duckbourse.cli.backtest import backtest
from duckbourse.cli.main import app
from duckbourse.cli.minutes import note_synthetic_trades
from duckbourse.cli.pictures import curve
from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.warehouse import open_published
from tests.support.warehouse import Warehouse

RUN = ("crp", "--preset", "standard", "--settings", "us_fixed")


@pytest.fixture(autouse=True)
def published(sample: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "duckbourse.cli.backtest.open_published", lambda: open_published(sample.file)
    )


def said(*words: str) -> str:
    done = CliRunner().invoke(app, ["backtest", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_is_shown_with_its_intervals(
    sample: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    backtest("crp", preset="standard", settings="us_fixed")
    shown = capsys.readouterr().out
    ((rate, low, high, trades),) = sample.query(
        "select 100 * win_rate, 100 * win_rate_low, 100 * win_rate_high, trade_count "
        "from backtests.summary where scanner = 'crp' and preset = 'standard' "
        "and setting = 'us_fixed'"
    )
    assert f"{rate:.2f} ({low:.2f} … {high:.2f})" in shown
    assert f" {trades} " in shown
    assert "walk_4" in shown


@pytest.mark.parametrize("source", ["synthetic", "nse, synthetic"])
def test_trades_in_made_up_minutes_are_said_to_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
) -> None:
    made_up = "minutes of these trades are synthetic: what is found or earned in them means nothing"
    backtest("crp", preset="standard", settings="us_fixed")
    assert capsys.readouterr().err.splitlines() == [made_up]
    for json_too in (True, False):
        backtest("crp", preset="standard", settings="us_fixed", json=json_too, csv=not json_too)
        assert capsys.readouterr().err == ""

    path = tmp_path / "two.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema backtests")
        connection.execute(
            "create table backtests.trades as"
            " from (values ('a', 1), ('b', 2)) as t(run_id, signal_id)"
        )
        connection.execute(
            "create table backtests.outcomes as"
            " from (values (1, $source), (2, 'nse')) as t(signal_id, source)",
            {"source": source},
        )
        for run_id, said_of_it in (("a", f"{made_up}\n"), ("b", ""), ("c", "")):
            note_synthetic_trades(connection, [run_id])
            assert capsys.readouterr().err == said_of_it


def test_json_has_every_figure(sample: Warehouse) -> None:
    answer = json.loads(said(*RUN, "--json"))
    (run,) = answer["summary"]
    names = [row[0] for row in sample.query("describe backtests.summary")]
    assert list(run) == names
    assert [fold["fold"] for fold in answer["folds"] if fold["fold"].startswith("walk")] == [
        f"walk_{number}" for number in range(1, 5)
    ]


def test_trades_are_written_whole(sample: Warehouse, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        said(*RUN, "--to", str(tmp_path / f"t.{kind}"))
    ((count, made),) = sample.query(
        "select count(*), sum(net_pnl_amount) from backtests.trades inner join backtests.runs "
        "using (run_id) where scanner = 'crp' and preset = 'standard' and setting = 'us_fixed'"
    )
    with (tmp_path / "t.csv").open() as file:
        assert len(list(csv.DictReader(file))) == count
    assert duckdb.execute(
        f"select count(*), sum(net_pnl_amount) from '{tmp_path}/t.parquet'"
    ).fetchall() == [(count, made)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        ({"scanner": "crpp"}, "scanner 'crpp'", "breakout, crp"),
        ({"scanner": "crp", "preset": "none"}, "preset 'none'", "standard"),
        ({"scanner": "crp", "settings": "x"}, "setting 'x'", "us_fixed"),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_exist(
    words: dict[str, str], message: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        backtest(**words)  # type: ignore[arg-type]
    assert remedy in refused.value.remedy


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder") as refused:
        backtest("crp", to=tmp_path / "nowhere" / "t.csv")
    assert "\n" not in str(refused.value)
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written") as refused:
        backtest("crp", to=tmp_path / "t.csv")
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_publication_without_backtests_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    monkeypatch.setattr(
        "duckbourse.cli.backtest.open_published",
        lambda: open_published(tmp_path / "empty.duckdb"),
    )
    with pytest.raises(PublicationError, match=r"no backtests\.summary"):
        backtest("crp")


def test_the_equity_is_drawn_on_a_terminal_and_nowhere_else(
    sample: Warehouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dots = re.compile("[\u2800-\u28ff]")
    backtest("crp", preset="standard", settings="us_fixed")
    assert not dots.search(capsys.readouterr().out)
    monkeypatch.setattr("duckbourse.cli.backtest.is_drawn", lambda: True)
    backtest("crp", preset="standard", settings="us_fixed", json=True)
    assert not dots.search(capsys.readouterr().out)
    backtest("crp", preset="standard", settings="us_fixed")
    lines = [line for line in capsys.readouterr().out.splitlines() if dots.search(line)]
    returns = [
        100 * float(str(row[0]))
        for row in sample.query(
            "select equity_amount::double / capital_amount::double - 1 from backtests.equity"
            " inner join backtests.runs using (run_id) where scanner = 'crp'"
            " and preset = 'standard' and setting = 'us_fixed' order by session_date"
        )
    ]
    assert lines == curve(returns)
    # of several runs, a line each
    backtest("crp")
    assert len(re.findall("[▁▂▃▄▅▆▇█]{24}", capsys.readouterr().out)) == len(
        sample.query("from backtests.summary where scanner = 'crp'")
    )
