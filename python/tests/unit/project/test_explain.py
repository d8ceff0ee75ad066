"""The plan and the SQL of an indicator, as `./bourse explain` prints and the README shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from duckbourse.cli.explain import explanation, plain_call
from duckbourse.errors import BadQuery, BuildFailed
from duckbourse.settings import PROJECT
from tests.support.commands import bourse
from tests.support.warehouse import Warehouse

SERIES = PROJECT / "macros" / "series"
INDICATORS = PROJECT / "macros" / "indicators"
UNLISTED = """
{%- set plan = series_plan('streaming') -%}
{%- do plan.definitions.pop('macd') -%}
{%- do plan.update({'place': 'macd'}) -%}
"""
FORMULA = """
{%- set plan = series_plan('streaming') -%}
{%- do plan.update({'place': series_place('macd', 'line', FORMULA)}) -%}
{{ series_expression(plan, FORMULA, {'slow': 26}) }}
"""


def plain(text: str) -> str:
    """Return the text without what only lays it out."""
    return " ".join(re.sub(r"^--", "", text, flags=re.MULTILINE).split())


def test_the_readme_follows_macd_to_its_sql(warehouse: Warehouse) -> None:
    found = json.loads(warehouse.inline("{{ explained('macd(12, 26, 9)') }}"))
    printed = plain("\n".join(explanation("macd(12, 26, 9)", found)))
    blocks = re.findall(
        r"```(?:sql|text\nplan)\n(.*?)```", (SERIES / "README.md").read_text(), re.S
    )
    assert len(blocks) == 4
    for block in blocks:
        end = 0
        for part in map(plain, block.split("…")):
            assert part in printed[end:], part
            end = printed.index(part, end) + len(part)
    definition = re.findall(r"```yaml\n(.*?)```", (SERIES / "README.md").read_text(), re.S)
    assert definition[0] in (INDICATORS / "macd.sql").read_text()


def test_what_is_printed_runs(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duckbourse.cli.explain.rendered", warehouse.inline)
    printed = bourse(warehouse.data, "explain", "sma(3)")
    assert printed.returncode == 0, printed.stderr
    assert "-- by default sma(20): period = 20" in printed.stdout.splitlines()
    assert "--     sma_3 = moving_mean(close, period)" in printed.stdout.splitlines()
    assert "NULL for the first 2 bars of a series. Depends on the 2 bars" in printed.stdout
    with duckdb.connect() as connection:
        connection.execute(
            "create schema bars; create table bars.ohlcv as select 'A' as symbol, '1d' as "
            "timeframe, n as bar_ts, n as bar_number, n * n as adjusted_close from range(4) as t(n)"
        )
        assert connection.execute(printed.stdout).fetchall() == [
            ("A", "1d", 0, None),
            ("A", "1d", 1, None),
            ("A", "1d", 2, 5 / 3),
            ("A", "1d", 3, 14 / 3),
        ]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("macd(12, 26, 9)", "macd(12, 26, 9)"),
        (" MACD ( 12,26 , 9 )\n", "macd(12, 26, 9)"),
        ("RSI", "rsi"),
        ("rsi( )", "rsi"),
        ("bollinger(20,2.5)", "bollinger(20, 2.5)"),
    ],
)
def test_capitals_and_blanks_do_not_matter(text: str, call: str) -> None:
    assert plain_call(text) == call


@pytest.mark.parametrize(
    "text", ["macd{{ 1 }}", "macd 12 26", "sma(1 2)", "sma(,3)", "sma(3", "12", "", "sma('3')"]
)
def test_what_is_no_call_is_refused_before_dbt_runs(text: str) -> None:
    with pytest.raises(BadQuery) as refused:
        plain_call(text)
    assert f"{text!r} is not an indicator with its periods" in str(refused.value)
    assert "macd(12, 26, 9)" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("RSII(14)", "rsii(14): there is no indicator 'rsii'; did you mean 'rsi'?"),
        ("definitions", "definitions: there is no indicator 'definitions'"),
        ("zzzzzzzz", "zzzzzzzz: there is no indicator 'zzzzzzzz'"),
    ],
)
def test_a_name_that_no_definition_has_is_refused_before_dbt_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.setattr("duckbourse.cli.explain.rendered", lambda _: pytest.fail("dbt runs"))
    refused = bourse(tmp_path, "explain", text)
    assert refused.returncode == BadQuery.exit_code
    assert refused.stderr.splitlines() == [
        f"error: {problem}",
        "  remedy: `./bourse list indicators` lists all indicators",
    ]


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("macd(3): macd takes (fast), not (3)", "`./bourse explain macd` shows its periods"),
        ("macd(3): macros/indicators/macd.sql is not listed: add", "add that line and run this"),
        (
            "macros/indicators/macd.sql: line: ema(c): there is no 'c'",
            "correct the file that it names",
        ),
    ],
)
def test_each_error_has_its_own_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, remedy: str
) -> None:
    def failing(template: str) -> str:
        assert template == "{{ explained('macd(3)') }}"
        raise BuildFailed(problem, "correct the file that it names")

    monkeypatch.setattr("duckbourse.cli.explain.rendered", failing)
    refused = bourse(tmp_path, "explain", "MACD(3)")
    assert refused.returncode != 0
    assert f"error: {problem}" in refused.stderr
    assert f"remedy: {remedy}" in refused.stderr


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{{ explained('mcad(12)') }}",
            "mcad(12): there is no indicator 'mcad'; did you mean 'macd'?",
        ),
        (
            "{{ explained('macd(12, 26, 9, 4)') }}",
            "macd(12, 26, 9, 4): macd takes (fast, slow, signal), not (12, 26, 9, 4)",
        ),
        (
            "{{ explained('sma(0)') }}",
            "sma(0): sma: period must be a whole number of bars, 1 or more, not 0",
        ),
        (
            "{{ explained('sma(2.5)') }}",
            "sma(2.5): sma: period must be a whole number of bars, 1 or more, not 2.5",
        ),
        *(
            (
                UNLISTED + template,
                "macd: macros/indicators/macd.sql is not listed: add the line  'macd':"
                " indicator_macd,  to indicator_definitions in macros/indicators/definitions.sql",
            )
            for template in (
                "{{ series_indicator(plan, 'macd', []) }}",
                "{{ series_expression(plan, 'close - macd()', {}) }}",
            )
        ),
        *(
            (
                FORMULA.replace("FORMULA", f"'{formula}'"),
                f"macros/indicators/macd.sql: line: {formula}: {message}",
            )
            for formula, message in (
                ("emma(close, slow)", "there is no 'emma'; did you mean 'ema'?"),
                ("ema(clsoe, slow)", "there is no 'clsoe'; did you mean 'close'?"),
                ("ema(close)", "ema takes 1 column and 1 or 2 numbers of bars, not (close)"),
                ("lag(close, volume)", "'volume' is not a number of bars"),
                ("ema(close, slow", "its parentheses do not match"),
            )
        ),
    ],
)
def test_an_error_names_the_indicator_and_the_formula(
    warehouse: Warehouse, template: str, message: str
) -> None:
    with pytest.raises(AssertionError) as failed:
        warehouse.inline(template)
    assert message in str(failed.value)
    assert message in (SERIES / "README.md").read_text() or "2.5" in message


DISPARITY = """
{%- set text %}
title: Disparity index
source: Nison (1994)
periods: {period: 20}
define:
  mean: moving_mean(close, period)
outputs:
  disparity: 100 * (close - mean) / mean
{% endset -%}
{{ checked_definition('disparity', text).outputs }}
"""
NO_DEFINITION = (
    "macros/indicators/disparity.sql: a definition is YAML with the keys title, source, outputs,"
    " and outputs has one 'name: formula' a line"
)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        (
            "'disparity', text",
            "'disparity', none",
            "macros/indicators/definitions.sql: disparity: there is no macro of the name on its"
            " line; it is indicator_disparity, in macros/indicators/disparity.sql",
        ),
        ("title: Disparity", "titel: Disparity", NO_DEFINITION),
        (
            "  disparity: 100",
            "  disparity 100",
            "macros/indicators/disparity.sql: outputs has one 'name: value' a line, and not"
            " 'disparity 100 * (close - mean) / mean'",
        ),
        (
            "  mean: moving_mean",
            "  mean moving_mean",
            "macros/indicators/disparity.sql: define has one 'name: value' a line, and not"
            " 'mean moving_mean(close, period)'",
        ),
        *(
            (
                "  mean: moving_mean(close, period)",
                lines,
                "macros/indicators/disparity.sql: a definition has one 'name: value' a line, and"
                f" not '{wrong}'",
            )
            for lines, wrong in (
                (
                    "  mean moving_mean(close, period)\n  high_mean: 1",
                    "mean moving_mean(close, period)",
                ),
                (
                    "  high_mean: 1\n  mean moving_mean(close, period)",
                    "mean moving_mean(close, period)",
                ),
                ("  high_mean:\n    1 +\n    2\n\tmean: 1", "mean: 1"),
            )
        ),
        (
            "{period: 20}",
            "{period}",
            "macros/indicators/disparity.sql: periods: period must be a number, and has none",
        ),
        (
            "{period: 20}",
            "{period: 20 bars}",
            "macros/indicators/disparity.sql: periods: period must be a number, and not '20 bars'",
        ),
    ],
)
def test_a_slip_in_a_new_definition_is_named(
    warehouse: Warehouse, written: str, instead: str, message: str
) -> None:
    assert written in DISPARITY
    with pytest.raises(AssertionError) as failed:
        warehouse.inline(DISPARITY.replace(written, instead))
    assert message in " ".join(str(failed.value).split())


def test_a_family_is_named_for_an_indicator_that_does_not_exist(warehouse: Warehouse) -> None:
    file = "models/indicators/indicators__momentum.sql"
    for template in (
        f"{{{{ planned_outputs(series_plan('streaming'), ['rsii(14)'], '{file}') }}}}",
        "{{ family_properties({'momentum': ['rsii(14)']}) }}",
    ):
        with pytest.raises(AssertionError) as failed:
            warehouse.inline(template)
        message = f"{file}: rsii(14): there is no indicator 'rsii'; did you mean 'rsi'?"
        assert message in str(failed.value)


def test_what_an_operation_takes_is_named_after_its_formula(warehouse: Warehouse) -> None:
    columns = json.loads(warehouse.inline("{{ explained('rsi(14)') }}"))["columns"]
    names = {column["name"] for column in columns}
    assert {"gain_value", "gain_value_wilder_14", "loss_value", "loss_value_wilder_14"} <= names
    assert not [name for name in names if "__" in name]


def test_the_maps_name_the_macros() -> None:
    names = re.findall(r"'(\w+)': indicator_(\w+),", (INDICATORS / "definitions.sql").read_text())
    assert all(name == macro for name, macro in names)
    assert sorted(name for name, _ in names) == sorted(
        file.stem
        for file in INDICATORS.glob("*.sql")
        if "macro indicator_definitions" not in file.read_text()
        if "macro indicator_" in file.read_text()
    )
    defined = set(
        re.findall(r"macro (\w+)\(", "".join(p.read_text() for p in SERIES.glob("*.sql")))
    )
    operations = re.findall(
        r"'(\w+)': \[series_(\w+), \d, \d, \d\]", (SERIES / "operations.sql").read_text()
    )
    assert len(operations) > 20
    for word, macro in operations:
        assert word == macro
        assert f"series_{macro}" in defined
        assert re.search(rf" {word}\([xf]", (SERIES / "series.yml").read_text())
