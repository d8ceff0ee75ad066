"""How numbers and wide tables are printed."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from duckbourse.cli import output, sql, tables
from duckbourse.cli.output import Results
from duckbourse.cli.tables import (
    Column,
    columns_of_figures,
    percent,
    print_fitting,
    print_rows,
    probability,
    same_in_all,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12_345.678, 1.0, 0.0, -0.001], ["12,345.678000", "1.000000", "0.000000", "-0.001000"]),
        ([12_345.678, 1.0, -0.0], ["12,345.68", "1.00", "0.00"]),
        ([0.0575, -0.5, None], ["0.05750", "-0.50000", ""]),
        ([0.000000012345], ["0.00000001"]),
        ([float("nan"), 0.5], ["nan", "0.5000"]),
        ([7, 1_000], ["7", "1,000"]),
        (["KO"], ["KO"]),
    ],
)
def test_a_column_has_the_decimals_of_its_smallest_number(
    values: list[Any], shown: list[str]
) -> None:
    rows = [{"figure": value} for value in values]
    [column] = columns_of_figures(rows)
    assert [column.cell(row, "") for row in rows] == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([-1955.4, 349.3, None], ["-1,955", "349"]),
        ([-451.97, 349.3], ["-451.97", "349.30"]),
        ([2, 1_955], ["2", "1,955"]),
    ],
)
def test_a_large_amount_takes_the_decimals_of_the_whole_column(
    values: list[Any], shown: list[str]
) -> None:
    whole_from = same_in_all([{"pnl": value} for value in values], "pnl", 1000)
    assert [text(value, whole_from) for value in values if value is not None] == shown


@pytest.mark.parametrize("value", [-0.0, -0.001, Decimal("-0.004")])
def test_nothing_is_minus_zero(value: Any) -> None:
    assert (text(value), percent(float(value) / 100), whole(value)) == ("0.00", "0.00", "0")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "<0.01"), (0.0049, "<0.01"), (0.005, "0.01"), (1.0, "1.00")]
)
def test_no_probability_is_zero(value: float, shown: str) -> None:
    assert probability(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12_345_678_901.5, "12345678901.5"),
        (1e12, "1000000000000"),
        (0.000042, "0.000042"),
        (0.1 + 0.2, "0.3"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        ("[bold]", r"\[bold]"),
    ],
)
def test_a_query_shows_numbers_without_an_exponent(value: Any, shown: str) -> None:
    assert sql._shown(value) == shown


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (output, tables, sql):
        console = Console(force_terminal=True, color_system=None, width=40, soft_wrap=True)
        monkeypatch.setattr(module, "results", console)


ROWS = [{f"column_{n}": n for n in range(10)}] * 2


def test_a_table_that_does_not_fit_says_how_to_see_the_rest(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [Column(name, name) for name in ROWS[0]]
    print_fitting(columns, ROWS, "--json")
    out, err = capsys.readouterr()
    # 4 columns of 8 letters with 2 blanks between them are 38 of 40
    assert [line.split() for line in out.splitlines()] == [
        ["column_0", "column_1", "column_2", "column_3"],
        *[["0", "1", "2", "3"]] * 2,
    ]
    assert err == "4 of 10 columns fit; --json shows the others\n"
    print_fitting(columns[:4], ROWS, "--json")
    print_fitting(columns, ROWS, "--json", at_least=9)
    assert capsys.readouterr().err == "9 of 10 columns fit; --json shows the others\n"


def test_only_the_last_column_is_folded_and_nothing_is_cut(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "one row is a symbol and a session of its calendar"
    row = {"name": "sixty_forty", "amount": 1, "description": words}
    print_rows([row])
    out, err = capsys.readouterr()
    first, *others = out.splitlines()[1:]
    assert first.split()[:2] == ["sixty_forty", "1"]
    # the name and the amount have 11 and 6 columns, with 2 blanks between, of 40
    assert max(map(len, (first, *others))) <= 40
    assert " ".join(line[21:].strip() for line in (first, *others)) == words
    print_rows([row | {"amount": "twenty-five characters wide"}])
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split(maxsplit=1)[1] == "twenty-five characters wide"
    assert err == "2 of 3 columns fit; a wider terminal, --json or --csv shows the others\n"


def test_a_wide_query_fits_the_terminal_and_one_row_is_below_one_another(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"column_{n}" for n in range(183)]
    rows = [tuple(range(183))] * 3
    sql._print_table(names, rows)
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 40
    assert err == (
        "4 of 183 columns fit; --csv, --json or --to, or --limit 1 for one row, shows the others\n"
    )
    sql._print_table(names, rows[:1])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 183
    assert lines[182] == "column_182  182"


def test_in_a_pipe_only_blanks_before_a_line_break_are_left_out() -> None:
    console = Results(file=StringIO(), width=40)
    console.print("label   ", end="")
    console.print("text   \nmore  ")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == "label   text\nmore\n"
