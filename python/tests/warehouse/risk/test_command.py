"""What `./bourse risk` shows, writes and rejects."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from duckbourse.cli.main import app
from duckbourse.cli.pictures import sparkline
from duckbourse.cli.risk import risk
from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.warehouse import open_published
from tests.support.portfolio_fixture import METHODS
from tests.support.warehouse import Warehouse


@pytest.fixture(autouse=True)
def published(sample: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duckbourse.cli.risk.open_published", lambda: open_published(sample.file))


def said(*words: str) -> str:
    done = CliRunner().invoke(app, ["risk", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_output_is_for_the_next_session(
    sample: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    risk("equal_20")
    shown = capsys.readouterr().out
    ((session, var, amount),) = sample.query(
        "select max(session_date), arg_max(var_return, session_date),"
        " arg_max(var_amount, session_date) from risk.var_estimates"
        " where portfolio = 'equal_20' and method = 'ewma' and confidence = 0.99"
        " and horizon_sessions = 1 and lookback_sessions = 250"
    )
    assert f"equal_20: VaR and expected shortfall at 99% for {session}, of 1,000,000 USD\n" in shown
    (line,) = [row for row in shown.splitlines() if row.split()[:3] == ["ewma", "1", "250"]]
    assert [f"{100 * float(str(var)):.2f}", f"{float(str(amount)):,.0f}"] == line.split()[4::2]
    for method in METHODS:
        assert f"{method} " in shown
    for part in (
        "backtest: all, 99%",
        "stress scenarios, of 1,000,000 USD\n",
        "contributions to VaR: sample covariances, 99%, horizon 1 session, of 1,000,000 USD\n",
    ):
        assert part in shown
    assert "sixty_forty_tech" not in shown
    risk(None)
    assert "sixty_forty_tech" in capsys.readouterr().out


def test_json_has_every_figure(sample: Warehouse) -> None:
    answer = json.loads(said("equal_20", "--json", "--period", "crisis_2008"))
    assert list(answer) == ["equal_20"]
    picture: dict[str, list[dict[str, Any]]] = answer["equal_20"]
    assert list(picture) == ["estimates", "backtest", "stress", "contributions"]
    for part, name in zip(
        picture, ("var_estimates", "var_backtest", "stress", "component_var"), strict=True
    ):
        columns = [row[0] for row in sample.query(f"describe risk.{name}")]
        assert all(list(row) == columns for row in picture[part])
        assert picture[part]
    assert {row["method"] for row in picture["estimates"]} == set(METHODS)
    assert {row["period"] for row in picture["backtest"]} == {"crisis_2008"}
    parts = [row["component_var_return"] for row in picture["contributions"]]
    assert parts == sorted(parts, reverse=True)
    assert len(parts) == 20


def test_a_cut_list_says_how_to_see_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    risk("equal_20")
    assert "10 of 20 symbols; --json shows all of them" in capsys.readouterr().err


def test_the_estimates_of_a_session_are_shown_alone(sample: Warehouse) -> None:
    (picture,) = json.loads(said("--date", "2010-05-06", "equal_20", "--json")).values()
    # whatever else there is was known later
    assert list(picture) == ["estimates"]
    assert {row["session_date"] for row in picture["estimates"]} == {"2010-05-06"}
    done = CliRunner().invoke(app, ["risk", "--date", "2010-05-08"])
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception) == "there are no estimates for 2010-05-08"
    assert done.exception.remedy == "try 2010-05-07 or 2010-05-10"


def test_a_percentage_is_asked_back_as_the_fraction(sample: Warehouse) -> None:
    done = CliRunner().invoke(app, ["risk", "--confidence", "99"])
    assert str(done.exception) == "there are no estimates for confidence 99; did you mean 0.99?"
    done = CliRunner().invoke(app, ["risk", "--confidence", "50"])
    assert str(done.exception) == "there are no estimates for confidence 50"


def test_a_period_of_the_backtest_is_not_that_of_a_session() -> None:
    done = CliRunner().invoke(app, ["risk", "--date", "2010-05-06", "--period", "all"])
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception) == (
        "--period all is a period of the backtest, which --date does not show"
    )


@pytest.mark.parametrize(
    ("source", "returns", "why"),
    [
        ("weights", 0, "it has no returns, since there are no daily bars of what it holds"),
        ("weights", 9, "it has returns of 9 sessions, and the shortest lookback is 250"),
        ("fills", 0, "it has no fills"),
    ],
)
def test_a_portfolio_without_figures_has_the_true_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, returns: int, why: str
) -> None:
    file = tmp_path / "published.duckdb"
    with duckdb.connect(str(file)) as connection:
        for schema in ("risk", "seeds", "portfolio"):
            connection.execute(f"create schema {schema}")
        for name in ("var_estimates", "var_backtest", "stress", "component_var"):
            connection.execute(f"create table risk.{name} (portfolio varchar)")
        connection.execute(
            "create table seeds.portfolios as"
            f" from (values ('mine', '{source}')) as portfolios (portfolio, source)"
        )
        connection.execute("create table seeds.var_settings as select 250 as lookback_sessions")
        connection.execute(
            "create table portfolio.returns as select 'mine' as portfolio, 0.0 as net_return"
            f" from range({returns})"
        )
    monkeypatch.setattr("duckbourse.cli.risk.open_published", lambda: open_published(file))
    for words in ([], ["mine"]):
        done = CliRunner().invoke(app, ["risk", *words])
        assert isinstance(done.exception, PublicationError)
        assert str(done.exception) == f"there are no risk figures for portfolio 'mine': {why}"
        assert done.exception.remedy.endswith("; then run `./bourse build`")


def test_all_estimates_are_written(sample: Warehouse, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        said("--to", str(tmp_path / f"r.{kind}"))
    ((count, made),) = sample.query(
        "select count(*), sum(var_amount::decimal(20, 4)) from risk.var_estimates"
        " where session_date = (select max(session_date) from risk.var_estimates)"
    )
    with (tmp_path / "r.csv").open() as file:
        assert len(list(csv.DictReader(file))) == count
    assert duckdb.execute(
        f"select count(*), sum(var_amount::decimal(20, 4)) from '{tmp_path}/r.parquet'"
    ).fetchall() == [(count, made)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.parquet"]


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        ({"portfolio": "equal_21"}, "portfolio 'equal_21'", "equal_20, sixty_forty_tech"),
        ({"confidence": 0.999}, "confidence 0.999", "0.9, 0.95, 0.975, 0.99"),
        ({"lookback": 100}, "lookback_sessions 100", "250, 500, 1000"),
        ({"confidence": 0.9, "lookback": 500}, "lookback_sessions 500", "250"),
        ({"period": "never"}, "period never", "all, covid_2020"),
    ],
)
def test_an_unknown_option_lists_the_known_ones(
    words: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        risk(**words)
    assert remedy in refused.value.remedy


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder") as refused:
        risk("equal_20", to=tmp_path / "nowhere" / "r.csv")
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="what kind of file"):
        risk("equal_20", to=tmp_path / "r.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_publication_without_risk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    monkeypatch.setattr(
        "duckbourse.cli.risk.open_published", lambda: open_published(tmp_path / "empty.duckdb")
    )
    with pytest.raises(PublicationError, match=r"no risk\.var_estimates"):
        risk(None)


def test_the_past_is_drawn_on_a_terminal_to_the_session_and_no_further(
    sample: Warehouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    risk("equal_20")
    assert "▁" not in capsys.readouterr().out
    monkeypatch.setattr("duckbourse.cli.risk.is_drawn", lambda: True)
    for day, condition in ((None, ""), (datetime(2010, 5, 6), "and session_date < '2010-05-06'")):
        risk("equal_20", day=day)
        shown = capsys.readouterr().out
        past = sample.query(
            "select session_date, equity_ratio, drawdown from portfolio.equity"
            f" where portfolio = 'equal_20' and basis = 'net' {condition}"
            " order by session_date desc limit 250"
        )[::-1]
        assert f"after costs, {past[0][0]} to {past[-1][0]}" in shown
        for title, column in (("equity", 1), ("drawdown", 2)):
            line = sparkline([float(str(row[column])) for row in past], 60)
            assert f"{title:<9} {line} " in shown
