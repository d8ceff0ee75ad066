"""Each test of packages/dbt_expectations breaks on what it is for, and on nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from dbt_common.exceptions import DbtRuntimeError

from duckbourse.settings import PROJECT
from tests.support.sandbox import Sandbox

TRADES = """
select * from (
    values
    (1, 'a', 1, 10, 9, 11, 'buy', 'AAPL', 0.5, 0.5),
    (2, 'a', 2, 20, 20, 20, 'sell', 'MSFT', 0.25, 0.75),
    (3, 'b', 1, 30, null, 31, null, 'brk.b', 0.5, 0.25),
    (4, 'b', 2, null, 5, 6, 'buy', null, 0.25, 0.25),
    (null, null, 3, 40, 40, 41, 'buy', 'AAPL', null, null),
    (null, null, 3, 40, 40, 41, 'buy', 'AAPL', null, null)
) as trades (id, book, day, price, low, high, side, code, cash, shares)
"""


class Case(NamedTuple):
    name: str
    test: str
    arguments: dict[str, Any]
    breaks: bool
    column: str | None = None


def on(column: str, test: str, breaks: bool, name: str, **arguments: Any) -> Case:
    return Case(name, f"expect_column_{test}", arguments, breaks, column)


def of_table(test: str, breaks: bool, name: str, **arguments: Any) -> Case:
    return Case(name, test, arguments, breaks)


BETWEEN = "values_to_be_between"
IN_SET = "values_to_be_in_set"
NOT_NULL = "values_to_not_be_null"
UNIQUE = "values_to_be_unique"
REGEX = "values_to_match_regex"
INCREASING = "values_to_be_increasing"
PAIR = "expect_column_pair_values_A_to_be_greater_than_B"
KEY = "expect_compound_columns_to_be_unique"
COUNT = "expect_table_row_count_to_be_between"
SUM = "expect_multicolumn_sum_to_equal"
TRUE = "expression_is_true"

CASES = [
    on("price", BETWEEN, False, "bounds_are_inside_and_null_passes", min_value=10, max_value=40),
    on("price", BETWEEN, True, "below_min", min_value=11),
    on("price", BETWEEN, True, "above_max", max_value=39),
    on("price", BETWEEN, False, "an_expression_bounds", min_value="low"),
    on("price", BETWEEN, True, "strict_min", min_value=10, strictly=True),
    on("price", BETWEEN, True, "strict_max", max_value=40, strictly=True),
    on("price", BETWEEN, False, "strict_but_between", min_value=9, max_value=41, strictly=True),
    on("price", BETWEEN, False, "below_min_is_left_out", min_value=11, row_condition="id > 1"),
    on("side", IN_SET, True, "null_is_in_no_set", value_set=["buy", "sell"]),
    on("side", IN_SET, True, "not_in_set", value_set=["buy"], row_condition="side is not null"),
    on(
        "side",
        IN_SET,
        False,
        "in_set",
        value_set=["buy", "sell"],
        row_condition="side is not null",
    ),
    on("day", IN_SET, False, "number_in_set", value_set=[1, 2, 3], quote_values=False),
    on("day", IN_SET, True, "number_not_in_set", value_set=[1, 2], quote_values=False),
    on("day", NOT_NULL, False, "no_null"),
    on("price", NOT_NULL, True, "a_null"),
    on("price", NOT_NULL, False, "a_null_is_left_out", row_condition="id != 4"),
    on("id", UNIQUE, False, "unique_except_for_nulls"),
    on("code", UNIQUE, True, "not_unique"),
    on("code", UNIQUE, False, "not_unique_is_left_out", row_condition="id is not null"),
    on("code", REGEX, True, "lower_case", regex="^[A-Z.]+$"),
    on("code", REGEX, False, "lower_case_with_flag", regex="^[A-Z.]+$", flags="i"),
    on("code", REGEX, False, "lower_case_is_left_out", regex="^[A-Z]+$", row_condition="id < 3"),
    on("code", REGEX, True, "no_part_matches", regex="A|B"),
    of_table(PAIR, True, "equal_is_not_greater", column_A="high", column_B="low"),
    of_table(PAIR, False, "or_equal", column_A="high", column_B="low", or_equal=True),
    of_table(
        PAIR, False, "equal_is_left_out", column_A="high", column_B="low", row_condition="id != 2"
    ),
    of_table(PAIR, True, "lower", column_A="low", column_B="high", or_equal=True),
    of_table(KEY, False, "a_key_except_for_rows_without_any", column_list=["book", "id"]),
    of_table(KEY, True, "a_key_with_one_hole", column_list=["book", "day"]),
    of_table(
        KEY,
        False,
        "a_hole_is_left_out",
        column_list=["book", "day"],
        ignore_row_if="any_value_is_missing",
    ),
    of_table(KEY, True, "no_key", column_list=["book"], row_condition="id < 3"),
    of_table(KEY, False, "a_key_of_those_rows", column_list=["book"], row_condition="day = 1"),
    of_table(KEY, False, "a_quoted_key", column_list=["id"], quote_columns=True),
    of_table(COUNT, False, "enough_rows", min_value=6, max_value=6),
    of_table(COUNT, True, "too_few_rows", min_value=7),
    of_table(COUNT, True, "too_many_rows", max_value=5),
    of_table(COUNT, True, "strictly_too_few_rows", min_value=6, strictly=True),
    of_table(COUNT, True, "too_few_such_rows", min_value=1, row_condition="day = 9"),
    of_table(COUNT, False, "every_group_has_rows", min_value=2, max_value=2, group_by=["book"]),
    of_table(COUNT, True, "a_group_lacks_rows", min_value=2, group_by=["day", "book"]),
    of_table(SUM, True, "another_total", column_list=["cash", "shares"], sum_total=3),
    of_table(SUM, False, "the_total", column_list=["cash", "shares"], sum_total=3.25),
    of_table(SUM, False, "the_total_of_a_column", column_list=["cash"], sum_total="cash"),
    of_table(SUM, True, "not_the_total_of_a_column", column_list=["cash"], sum_total="shares"),
    of_table(
        SUM,
        True,
        "one_group_has_another_total",
        column_list=["cash", "shares"],
        sum_total=2,
        group_by=["book"],
    ),
    of_table(
        SUM,
        False,
        "each_group_has_the_total",
        column_list=["cash", "shares"],
        sum_total=1,
        group_by=["id"],
        row_condition="book = 'a'",
    ),
    of_table(TRUE, False, "true_or_null", expression="high >= low"),
    of_table(TRUE, True, "false_once", expression="high > low"),
    of_table(TRUE, False, "false_is_left_out", expression="high > low", row_condition="id != 2"),
    of_table(TRUE, True, "an_or_is_one_expression", expression="id = 1 or id = 2"),
    of_table(TRUE, False, "other_condition", expression="high - low", test_condition=">= 0"),
    of_table(TRUE, True, "other_condition_false", expression="high - low", test_condition="> 0"),
    of_table(TRUE, True, "of_groups", expression="count(*) = 2", group_by_columns=["id"]),
    of_table(TRUE, False, "of_other_groups", expression="count(*) = 2", group_by_columns=["book"]),
    on("day", INCREASING, True, "falls", sort_column="id"),
    on(
        "day",
        INCREASING,
        False,
        "rises_in_each_group",
        sort_column="id",
        group_by=["book"],
        row_condition="id > 0",
    ),
    on("price", INCREASING, True, "repeats"),
    on("price", INCREASING, False, "may_repeat", strictly=False),
    on("price", INCREASING, False, "rises_by_ten", step=10, row_condition="id > 0"),
    on("price", INCREASING, True, "rises_by_more", step=9, row_condition="id > 0"),
]


def properties(cases: list[Case]) -> str:
    model: dict[str, Any] = {"name": "bars__trades", "data_tests": [], "columns": []}
    model["config"] = {"contract": {"enforced": False}}
    columns: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        body = {"name": case.name, "arguments": case.arguments}
        test = {f"dbt_expectations.{case.test}": body}
        if case.column is None:
            model["data_tests"].append(test)
        else:
            columns.setdefault(case.column, []).append(test)
    model["columns"] = [{"name": name, "data_tests": tests} for name, tests in columns.items()]
    return yaml.safe_dump({"models": [model]})


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    sandbox = Sandbox.create(tmp_path_factory.mktemp("dbt_expectations"))
    sandbox.write("models/bars/bars__trades.sql", TRADES)
    sandbox.write("models/bars/bars__trades.yml", properties(CASES))
    sandbox.copy("models/_groups.yml")
    return sandbox.run("build")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_breaks_when_it_should(case: Case, outcomes: dict[str, str]) -> None:
    assert outcomes[case.name] == ("fail" if case.breaks else "pass")


def test_every_test_is_seen_to_break_and_to_hold() -> None:
    folder = PROJECT / "packages" / "dbt_expectations" / "macros"
    tests = {file.stem for file in folder.glob("*.sql") if "{% test" in file.read_text()}
    assert {case.test for case in CASES if case.breaks} == tests
    assert {case.test for case in CASES if not case.breaks} == tests


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (on("price", BETWEEN, True, "no_bounds"), "needs min_value, max_value or both"),
        (of_table(KEY, True, "no_columns", column_list=[]), "needs at least one column"),
        (
            of_table(KEY, True, "unknown_word", column_list=["id"], ignore_row_if="never"),
            "all_values_are_missing, any_value_is_missing",
        ),
    ],
    ids=["no_bounds", "no_columns", "unknown_word"],
)
def test_a_test_that_cannot_be_asked_is_refused(case: Case, reason: str, tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path)
    sandbox.write("models/bars/bars__trades.sql", TRADES)
    sandbox.write("models/bars/bars__trades.yml", properties([case]))
    sandbox.copy("models/_groups.yml")
    with pytest.raises(DbtRuntimeError, match=reason):
        sandbox.run("parse")
