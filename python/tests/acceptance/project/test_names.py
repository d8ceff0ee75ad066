"""A seed that names what does not exist is refused with file, line and the nearest name."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import pytest

from duckbourse.settings import PROJECT
from tests.support.sandbox import Sandbox


class Slip(NamedTuple):
    """A name that a seed's column has, what is written instead, and what is said of it."""

    seed: str
    column: str
    right: str
    wrong: str
    said: str


WEIGHTS = "seeds/reference/portfolio_weights.csv"
REMEDY = "deliver its bars, or name it in seeds/reference/instruments.csv"
SLIPS = (
    Slip(WEIGHTS, "symbol", "MSFT", "MSTF", "symbol 'MSTF'; did you mean 'MSFT'?"),
    Slip(WEIGHTS, "symbol", "JNJ", "0,5", f"symbol '0,5': {REMEDY}"),
    Slip(
        *(WEIGHTS, "portfolio", "equal_20", "equal20"),
        "portfolio with weights 'equal20'; did you mean 'equal_20'?",
    ),
    Slip(
        *("seeds/reference/portfolios.csv", "benchmark", "SPX", "SPXX"),
        "symbol 'SPXX'; did you mean 'SPX'?",
    ),
    Slip(
        *("seeds/reference/portfolios.csv", "calendar", "XNYS", "XNYC"),
        "calendar 'XNYC'; did you mean 'XNYS'?",
    ),
    Slip(
        *("seeds/reference/corporate_actions.csv", "symbol", "AAPL", "APPL"),
        "symbol 'APPL'; did you mean 'AAPL'?",
    ),
    Slip(
        *("seeds/reference/stress_shocks.csv", "name", "AAPL", "aapl"),
        "symbol 'aapl'; did you mean 'AAPL'?",
    ),
    Slip(
        *("seeds/reference/stress_shocks.csv", "name", "Energy", "Enrgy"),
        "sector 'Enrgy'; did you mean 'Energy'?",
    ),
    Slip(
        *("seeds/reference/trading_accounts.csv", "segment", "us_equity", "us_equities"),
        "segment of charges 'us_equities'; did you mean 'us_equity'?",
    ),
    Slip(
        *("seeds/reference/trading_accounts.csv", "calendar", "XNSE", "NSE"),
        "calendar 'NSE'; did you mean 'XNSE'?",
    ),
    Slip(
        *("seeds/calendars/holidays.csv", "calendar", "XNSE", "XNES"),
        "calendar 'XNES'; did you mean 'XNSE'?",
    ),
    Slip(
        *("seeds/calendars/special_sessions.csv", "calendar", "XNYS", "XNY"),
        "calendar 'XNY'; did you mean 'XNYS'?",
    ),
    Slip(
        *("seeds/calendars/regular_hours.csv", "calendar", "ALWAYS", "ALLWAYS"),
        "calendar 'ALLWAYS'; did you mean 'ALWAYS'?",
    ),
    Slip(
        *("seeds/calendars/calendars.csv", "timezone", "Asia/Kolkata", "Asia/Kolkatta"),
        "time zone 'Asia/Kolkatta'; did you mean 'Asia/Kolkata'?",
    ),
    Slip(
        *("seeds/backtests/backtest_settings.csv", "benchmark", "SPX", "SPY"),
        "symbol 'SPY'; did you mean 'SPX'?",
    ),
    Slip(
        *("seeds/backtests/outcome_settings.csv", "segment", "us_equity", "us"),
        "segment of charges 'us'; did you mean 'us_equity'?",
    ),
)


def misspell(path: Path, slips: list[Slip], sandbox: Sandbox) -> None:
    """Write a seed with the last line that has each right name misspelt."""
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for slip in slips:
        number = max(place for place, row in enumerate(rows) if row[slip.column] == slip.right)
        rows[number][slip.column] = slip.wrong
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    sandbox.write(str(path.relative_to(PROJECT)), text.getvalue())


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    sandbox = Sandbox.create(tmp_path_factory.mktemp("names"))
    folders = ("seeds/reference", "seeds/calendars", "seeds/backtests")
    sandbox.copy(*folders, "models/_groups.yml", "models/columns.md")
    sandbox.copy("tests/generic/names_what_exists.sql", "tests/generic/names_what_exists.yml")
    symbols = (
        "{{ config(contract={'enforced': false}) }} select symbol from {{ ref('instruments') }}"
    )
    sandbox.write("models/bars/bars__symbols.sql", symbols)
    for seed in {slip.seed for slip in SLIPS}:
        misspell(PROJECT / seed, [slip for slip in SLIPS if slip.seed == seed], sandbox)
    ends = sandbox.run("build", "--select", "+test_name:names_what_exists")
    failed = {name for name, end in ends.items() if end != "pass" and "_that_exist" in name}
    assert {ends[name] for name in failed} == {"fail"}
    compiled = (sandbox.folder / "target" / "compiled" / "duckbourse" / "seeds").rglob("*.sql")
    return {
        row[0] for file in compiled if file.stem in failed for row in sandbox.rows(file.read_text())
    }


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.wrong)
def test_what_does_not_exist_is_named_with_its_line(slip: Slip, said: set[str]) -> None:
    rows = list(csv.DictReader((PROJECT / slip.seed).read_text().splitlines()))
    line = 2 + max(place for place, row in enumerate(rows) if row[slip.column] == slip.right)
    assert f"{slip.seed}:{line}: there is no {slip.said}" in said


def test_nothing_else_is_refused(said: set[str]) -> None:
    assert len(said) == len(SLIPS)
