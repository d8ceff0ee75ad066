"""Which nodes an edit changes, of a project that dbt reads again after each edit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from duckbourse import build
from duckbourse.dbt_build import QUIET
from duckbourse.node_codes import changed_nodes, changes_all, codes_of, selector_of
from duckbourse.settings import PROJECT
from tests.support.dbt_server import read_project
from tests.support.minimal_project import MinimalProject

MORE = {
    "macros/series/handed.sql": "{% macro handed() %}1{% endmacro %}",
    "macros/series/calls.sql": "{% macro calls(what) %}{{ what() }}{% endmacro %}",
    "macros/series/outer.sql": "{% macro outer() %}{{ calls(handed) }}{% endmacro %}",
    "macros/dbt/project_nodes.sql": "{% macro project_nodes() %}{{ graph.nodes }}{% endmacro %}",
    "models/staging/staging.yml": """
        {sources: [{name: raw, tables: [{name: daily}, {name: fills}]}]}
    """,
    "models/bars/bars__called.sql": "select {{ outer() }} as one",
    "models/bars/bars__filled.sql": "select * from {{ source('raw', 'fills') }}",
    "models/bars/bars__seeded.sql": "select * from {{ ref('limits') }}",
    "models/bars/bars__all.sql": "-- {{ project_nodes() | length }}\nselect 1 as one",
    "seeds/limits.csv": "name,limit\na,1\n",
    "tests/bars/assert_one.sql": "select * from {{ ref('bars__called') }} where one != 1",
    "tests/generic/is_small.sql": """
        {% test is_small(model, column_name) %}
        select * from {{ model }} where {{ column_name }} > 9
        {% endtest %}
    """,
    "models/bars/seeded.yml": """
        {models: [{name: bars__seeded, columns: [{name: limit, data_tests: [is_small]}]}],
        unit_tests: [{name: a_limit, model: bars__seeded,
            given: [{input: ref('limits'), rows: [{limit: 1}]}], expect: {rows: [{limit: 1}]}}]}
    """,
}


class Edited:
    """A project, read by dbt as it was and as it is."""

    def __init__(self, folder: Path) -> None:
        self.project = MinimalProject(folder)
        self.before = codes_of(self.manifest(), folder)

    def manifest(self) -> Any:
        folder = str(self.project.folder)
        words = ["--no-write-json", "parse", "--project-dir", folder, "--profiles-dir", folder]
        found: Any = dbtRunner().invoke([*QUIET, *words, "--target-path", f"{folder}/target"])
        assert found.success, found.exception
        return found.result

    def changed(self, *inputs: str, again: tuple[str, ...] = ()) -> set[str] | None:
        """The last words of what differs."""
        manifest = self.manifest()
        codes = codes_of(manifest, self.project.folder)
        nodes = changed_nodes(manifest, codes, self.before, inputs, again)
        if nodes is None:
            return None
        return {selector_of(manifest, key).removeprefix("not_null_") for key in nodes} - ALWAYS


# it reads the whole project
ALWAYS = {"bars__all+"}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Edited:
    folder = tmp_path_factory.mktemp("codes") / "project"
    project = MinimalProject.create(folder)
    for path, text in MORE.items():
        project.write(path, text)
    return Edited(folder)


@pytest.fixture
def edited(read: Edited) -> Iterator[Edited]:
    kept = read.project.folder.with_name("kept")
    shutil.copytree(read.project.folder, kept)
    yield read
    shutil.rmtree(read.project.folder)
    kept.rename(read.project.folder)


@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("models/bars/bars__count.sql", "select 2 as n", {"bars__count+"}),
        ("models/bars/bars__new.sql", "select 2 as n", {"bars__new+"}),
        # a macro that is called, also by another one, or handed on
        ("macros/series/outer.sql", "{% macro outer() %}2{% endmacro %}", {"bars__called+"}),
        ("macros/series/calls.sql", "{% macro calls(what) %}2{% endmacro %}", {"bars__called+"}),
        ("macros/series/handed.sql", "{% macro handed() %}2{% endmacro %}", {"bars__called+"}),
        ("macros/series/unused.sql", "{% macro unused() %}2{% endmacro %}", set()),
        ("seeds/limits.csv", "name,limit\na,2\n", {"limits+"}),
        ("tests/bars/assert_one.sql", "select 1 where false", {"assert_one"}),
        (
            "tests/generic/is_small.sql",
            MORE["tests/generic/is_small.sql"].replace("9", "8"),
            {"is_small_bars__seeded_limit"},
        ),
        (
            "models/bars/seeded.yml",
            MORE["models/bars/seeded.yml"].replace("{limit: 1}", "{limit: 3}"),
            {"unit_test:a_limit"},
        ),
        # the layout of a file, and what says the same
        ("models/bars/seeded.yml", "# why\n" + MORE["models/bars/seeded.yml"], set()),
        (
            "models/bars/seeded.yml",
            MORE["models/bars/seeded.yml"].replace(
                "s: [{name: bars__seeded,", "s: [{description: rows, name: bars__seeded,"
            ),
            {"bars__seeded+"},
        ),
        (
            "models/bars/seeded.yml",
            MORE["models/bars/seeded.yml"].replace("[is_small]", "[not_null]"),
            {"bars__seeded_limit"},
        ),
        (
            "models/staging/staging.yml",
            MORE["models/staging/staging.yml"].replace("fills}", "fills, description: rows}"),
            {"source:raw.fills+"},
        ),
    ],
)
def test_an_edit_changes_what_is_made_from_it(
    edited: Edited, path: str, text: str, changed: set[str]
) -> None:
    assert edited.changed() == set()
    edited.project.write(path, text)
    assert edited.changed(path) == changed


def test_data_that_is_new_changes_what_reads_it(edited: Edited) -> None:
    assert edited.changed("raw/fills") == {"source:raw.fills+"}
    assert edited.changed("sample/daily", "raw/daily") == {"source:raw.daily+"}
    assert edited.changed("raw/unknown") is None


@pytest.mark.parametrize(
    "name",
    [
        *("dbt_project.yml", "profiles.yml", "packages.yml", "packages/a/macros/b.sql"),
        *("python/duckbourse/publish.py", "duckdb", "variables"),
        *("macros/dbt/hooks.sql", "macros/materializations/changed_ranges.sql"),
    ],
)
def test_what_dbt_reads_for_all_nodes_may_change_each(edited: Edited, name: str) -> None:
    assert changes_all(name)
    assert edited.changed(name) is None


def test_what_was_not_built_as_it_should_be_is_built_again(edited: Edited) -> None:
    again = ("model.duckbourse.bars__count", "test.duckbourse.gone")
    assert edited.changed(again=again) == {"bars__count+"}


def test_each_input_of_the_project_is_of_a_node_or_of_all() -> None:
    """A folder that is new to a build must be in one of both."""
    folders = {*build.READ_FOLDERS, "macros"}
    assert {name for name in folders if not changes_all(f"{name}/a")} == {
        *("models", "macros", "functions", "seeds", "tests")
    }


def test_only_these_macros_read_the_whole_project() -> None:
    """
    Whatever reads dbt's graph reads it through `project_nodes`, whose readers any edit changes.

    But the hooks, which each build runs, and `code_checksum`, of models that are named to it.
    """
    readers = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("models", "macros", "functions", "tests")
        for path in (PROJECT / folder).rglob("*.sql")
        if "graph." in path.read_text() or "graph[" in path.read_text()
    }
    assert readers == {
        *("macros/dbt/project_nodes.sql", "macros/dbt/relation_keys.sql"),
        *("macros/dbt/hooks.sql", "macros/dbt/code_checksum.sql"),
    }
    assert "project_nodes(" in (PROJECT / "macros/dbt/relation_keys.sql").read_text()


def test_an_edit_of_an_indicator_changes_its_families_and_the_catalog() -> None:
    """Definitions hand macros on by name."""
    manifest = read_project()
    before = codes_of(manifest, PROJECT)
    macro = manifest.macros["macro.duckbourse.indicator_macd"]
    text = macro.macro_sql
    try:
        macro.macro_sql = f"{text} "
        changed = changed_nodes(manifest, codes_of(manifest, PROJECT), before, (), ())
    finally:
        macro.macro_sql = text
    assert changed is not None
    models = {key.split(".")[-1] for key in changed if key.startswith("model.")}
    assert {"indicators__macd", "serving__indicator_catalog"} <= models
    assert not models & {"bars__ohlcv", "scanners__crp", "risk__var_estimates"}
