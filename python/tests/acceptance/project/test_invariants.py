"""Each invariant of tests/project passes over a small good project and catches its offenders."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from dbt_common.exceptions import DbtRuntimeError

from duckbourse.settings import PROJECT
from tests.support.sandbox import Sandbox

INVARIANTS = sorted(file.stem for file in (PROJECT / "tests" / "project").glob("assert_*.sql"))


def add_model(
    sandbox: Sandbox,
    path: str,
    sql: str,
    *,
    description: str = "One row.",
    column: str = "Always one.",
    is_tested: bool = True,
    unit_test: bool = False,
    config: dict[str, Any] | None = None,
) -> None:
    """Add a model that keeps every invariant except where the arguments say otherwise."""
    name = path.rsplit("/", 1)[-1]
    test = {
        "dbt_expectations.expect_table_row_count_to_be_between": {"arguments": {"min_value": 1}}
    }
    model = {
        "name": name,
        "description": description,
        "config": config or {},
        "data_tests": [test] if is_tested else [],
        "columns": [{"name": "x", "description": column, "data_type": "integer"}],
    }
    properties: dict[str, Any] = {"models": [model]}
    if unit_test:
        expected = {"rows": [{"x": 1}]}
        properties["unit_tests"] = [
            {"name": f"{name}_is_one", "model": name, "given": [], "expect": expected}
        ]
    sandbox.write(f"models/{path}.sql", sql)
    sandbox.write(f"models/{path}.yml", yaml.safe_dump(properties))


def add_seed(sandbox: Sandbox, name: str, description: str) -> None:
    sandbox.write(f"seeds/{name}.csv", "x\n1\n")
    properties = {"seeds": [{"name": name, "description": description}]}
    sandbox.write(f"seeds/{name}.yml", yaml.safe_dump(properties))


def good_project(sandbox: Sandbox) -> None:
    sandbox.copy("models/_groups.yml", "tests/project", "macros/scanners/scanners.sql")
    add_seed(sandbox, "presets", "Read by a scanner.")
    add_model(sandbox, "staging/stg_raw__bars", "select 1 as x")
    add_model(
        sandbox,
        "bars/bars__checked",
        "select x from {{ ref('stg_raw__bars') }}",
        config={"access": "private", "contract": {"enforced": False}},
    )
    add_model(sandbox, "bars/bars__ohlcv", "select x from {{ ref('bars__checked') }}")
    add_model(
        sandbox,
        "scanners/scanners__signals",
        "select x from {{ ref('bars__ohlcv') }} inner join {{ ref('presets') }} using (x)",
    )


def broken_project(sandbox: Sandbox) -> None:
    good_project(sandbox)
    one = "select 1 as x"
    add_model(sandbox, "bars/bars__peeking", "select x from {{ ref('scanners__signals') }}")
    add_model(sandbox, "indicators/rsi", one)
    add_model(sandbox, "indicators/bars__rsi", one)
    add_model(sandbox, "staging/stg_bars", one)
    add_model(sandbox, "attic/attic__old", one, config={"contract": {"enforced": True}})
    add_model(sandbox, "bars/bars__lent", one, config={"group": "scanners"})
    add_model(sandbox, "bars/bars__moved", one, config={"schema": "scanners"})
    add_model(sandbox, "risk/risk__unsaid", one, description="")
    add_seed(sandbox, "unsaid_presets", "")
    add_model(
        sandbox,
        "risk/risk__reads_seed",
        "select x from {{ ref('unsaid_presets') }}",
        config={"contract": {"enforced": False}},
    )
    sandbox.write("functions/unsaid.sql", "2 * p_x")
    function: dict[str, Any] = {"name": "unsaid", "returns": {"data_type": "bigint"}}
    function["arguments"] = [{"name": "p_x", "data_type": "bigint"}]
    sandbox.write("functions/unsaid.yml", yaml.safe_dump({"functions": [function]}))
    add_model(sandbox, "risk/risk__vague", one, column="")
    add_model(sandbox, "risk/risk__untested", one, is_tested=False)
    add_model(sandbox, "risk/risk__unit_tested", one, is_tested=False, unit_test=True)
    add_seed(sandbox, "idle_presets", "Nobody reads it.")
    add_model(sandbox, "scanners/scans/scanners__forgotten", one)
    add_model(
        sandbox,
        "scanners/scanners__spying",
        "select x from {{ ref('bars__checked') }}",
        config={"group": "bars"},
    )
    add_model(
        sandbox,
        "risk/risk__step",
        one,
        config={
            **{"materialized": "ephemeral", "access": "private"},
            "contract": {"enforced": False},
        },
    )


CAUGHT: dict[str, list[tuple[Any, ...]]] = {
    "assert_layers_read_only_upstream": [("bars__peeking", "scanners__signals")],
    "assert_models_are_addresses": [
        ("models/attic/attic__old.sql",),
        ("models/bars/bars__lent.sql",),
        ("models/bars/bars__moved.sql",),
        ("models/indicators/bars__rsi.sql",),
        ("models/indicators/rsi.sql",),
        ("models/scanners/scanners__spying.sql",),
        ("models/staging/stg_bars.sql",),
    ],
    "assert_relations_are_described": [("risk__unsaid",), ("unsaid",), ("unsaid_presets",)],
    "assert_published_columns_are_promised": [
        ("risk__reads_seed", "contract"),
        ("risk__vague", "x"),
    ],
    "assert_every_scanner_is_listed": [("scanners__forgotten",)],
    "assert_relations_are_tested": [
        ("idle_presets",),
        ("risk__unit_tested",),
        ("risk__untested",),
    ],
    "assert_private_models_stay_in_their_layer": [("scanners__spying", "bars__checked")],
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sandbox, dict[str, str]]:
    sandbox = Sandbox.create(tmp_path_factory.mktemp("broken"))
    broken_project(sandbox)
    return sandbox, sandbox.run("build", "--store-failures")


def test_a_good_project_keeps_every_invariant(tmp_path_factory: pytest.TempPathFactory) -> None:
    sandbox = Sandbox.create(tmp_path_factory.mktemp("good"))
    good_project(sandbox)
    outcomes = sandbox.run("build")
    assert {name: outcomes[name] for name in INVARIANTS} == dict.fromkeys(INVARIANTS, "pass")
    assert set(outcomes.values()) == {"success", "pass"}


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_an_invariant_catches_its_offenders(
    invariant: str, broken: tuple[Sandbox, dict[str, str]]
) -> None:
    sandbox, outcomes = broken
    assert outcomes[invariant] == "fail"
    assert sandbox.rows(f"from dbt_test__audit.{invariant} order by all") == CAUGHT[invariant]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ("{as_of: yesterday}", "as_of `yesterday` is not a timestamp"),
        ('{as_of: "it\'s"}', "as_of `it's` is not a timestamp"),
        ("{as_of: infinity}", "as_of `infinity` is not a timestamp"),
        ("{as_of: 2024}", "as_of `2024` is not a timestamp"),
    ],
)
def test_an_as_of_that_is_no_instant_builds_nothing(
    variables: str, reason: str, guarded: Sandbox
) -> None:
    with pytest.raises(DbtRuntimeError) as refusal:
        guarded.run("build", "--vars", variables)
    assert reason in str(refusal.value)
    assert not guarded.database.exists() or guarded.rows("from duckdb_tables()") == []


@pytest.mark.parametrize(
    "variables",
    ["{}", "{as_of: null}", "{as_of: 2024-01-31}", "{as_of: '2024-01-31 18:30:00'}"],
)
def test_an_as_of_that_is_an_instant_is_taken(variables: str, guarded: Sandbox) -> None:
    outcomes = guarded.run("compile", "--vars", variables)
    assert set(outcomes.values()) == {"success"}


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox.create(tmp_path_factory.mktemp("guarded"))
    settings = yaml.safe_load((sandbox.folder / "dbt_project.yml").read_text())
    settings["on-run-start"] = ["{{ as_of_is_an_instant() }}"]
    sandbox.write("dbt_project.yml", yaml.safe_dump(settings))
    sandbox.copy("models/_groups.yml")
    add_model(sandbox, "bars/bars__ohlcv", "select 1 as x")
    return sandbox
