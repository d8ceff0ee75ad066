"""What an edit of presets builds: only what it changes, and all that may be older than it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from dbt.task.build import BuildTask

from duckbourse.dbt_build import choice, counting_once, following, narrowed, stale_nodes

CUTOFFS, VOLUMES = "model.p.scanners__cutoffs", "model.p.scanners__expected_volumes"
CRP, GAP = "model.p.scanners__crp", "model.p.scanners__gap"
PRESETS = {
    "crp": "preset,cutoff_time,history_sessions,max_signals\nstandard,09:50,5,3\n",
    "gap": "preset,cutoff_time,history_sessions,max_signals\nstandard,10:30,5,3\n",
}


def node(key: str, *parents: str, columns: Collection[str] = ()) -> Any:
    kind, _, name = key.split(".")
    schema, _, alias = name.partition("__")
    return SimpleNamespace(
        unique_id=key,
        name=name,
        schema=schema,
        alias=alias,
        original_file_path=f"{name}.csv" if kind == "seed" else "",
        checksum=SimpleNamespace(checksum=name),
        depends_on=SimpleNamespace(nodes=list(parents)),
        config=SimpleNamespace(meta={"preset_columns": list(columns)} if columns else {}),
    )


@pytest.fixture
def manifest() -> Any:
    seeds = "seed.p.crp_presets", "seed.p.gap_presets"
    nodes = [
        *map(node, seeds),
        node(CUTOFFS, *seeds, columns=("cutoff_time", "history_sessions")),
        node(VOLUMES, CUTOFFS),
        node(CRP, "seed.p.crp_presets", VOLUMES),
        node(GAP, "seed.p.gap_presets", VOLUMES),
    ]
    return SimpleNamespace(
        nodes={each.unique_id: each for each in nodes},
        functions={},
        child_map={
            each.unique_id: [
                child.unique_id for child in nodes if each.unique_id in child.depends_on.nodes
            ]
            for each in nodes
        },
        build_parent_and_child_maps=lambda: None,
        expect=lambda key: next(each for each in nodes if each.unique_id == key),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "build.duckdb"
    for scanner, text in PRESETS.items():
        (tmp_path / f"{scanner}_presets.csv").write_text(text)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema scanners; create schema seeds")
        connection.execute(
            "create table scanners.cutoffs as from (values (time '09:50', 5), (time '10:30', 5))"
            " as cutoffs (cutoff_time, history_sessions)"
        )
        connection.execute(
            "create table seeds.crp_presets as"
            " select 'standard' as preset, time '09:50' as cutoff_time, 5 as history_sessions"
        )
    return path


def selected(manifest: Any, database: Path, stale: Collection[str] = ()) -> list[str]:
    return narrowed(["crp_presets+"], manifest, database.parent, database, stale)[0]


NARROW = ["crp_presets", "scanners__crp+"]
WIDE = ["crp_presets", "scanners__cutoffs+", "scanners__crp+"]


def test_an_edit_that_no_other_scanner_reads_is_narrow(manifest: Any, database: Path) -> None:
    presets = database.with_name("crp_presets.csv")
    presets.write_text(PRESETS["crp"].replace(",3", ",1"))
    chosen, left_out = narrowed(["crp_presets+", "x"], manifest, database.parent, database)
    assert chosen == [*NARROW, "x"]
    assert left_out >= {CUTOFFS, VOLUMES, GAP}


@pytest.mark.parametrize("scanner", PRESETS)
def test_a_cutoff_that_is_only_in_its_seed_is_not_yet_in_what_reads_it(
    manifest: Any, database: Path, scanner: str
) -> None:
    presets = database.with_name(f"{scanner}_presets.csv")
    presets.write_text(PRESETS[scanner].replace(":50", ":55").replace(":30", ":35"))
    with duckdb.connect(str(database)) as connection:  # `./bourse build -s crp_presets`
        connection.execute("update seeds.crp_presets set cutoff_time = '09:55'")
    assert selected(manifest, database) == WIDE


@pytest.mark.parametrize("older", [CUTOFFS, VOLUMES, GAP])
def test_what_is_older_than_its_sql_or_what_it_reads_is_not_left_out(
    manifest: Any, database: Path, older: str
) -> None:
    assert selected(manifest, database, {older}) == WIDE


def test_what_was_built_from_other_sql_is_stale() -> None:
    before = {CUTOFFS: "1", VOLUMES: "2", "test.p.one": "3"}
    assert stale_nodes(before, before, ()) == set()
    assert stale_nodes(before, before, [VOLUMES]) == {VOLUMES}
    now = {**before, CUTOFFS: "edited", "function.p.crp_scan": "new", "test.p.one": "edited"}
    assert stale_nodes(now, before, ()) == {CUTOFFS, "function.p.crp_scan"}


CATALOG = "model.p.serving__indicator_catalog"


@pytest.mark.parametrize(
    ("select", "before", "chosen"),
    [
        ("indicators__bands+", "edited", ["indicators__bands+", "serving__indicator_catalog+"]),
        ("indicators__bands+", "now", ["indicators__bands+"]),
        ("bars__ohlcv", "edited", ["bars__ohlcv"]),
    ],
)
def test_a_part_with_indicators_also_makes_their_macros(
    manifest: Any, select: str, before: str, chosen: list[str]
) -> None:
    manifest.nodes[CATALOG] = node(CATALOG)
    manifest.expect = lambda key: manifest.nodes[key]
    known = {"codes": {CATALOG: before}, "unproven": ["x"], "outdated": [], "changed": []}
    assert choice([select], manifest, {CATALOG: "now"}, known) == (chosen, set())


def test_without_a_record_of_what_was_built_all_is_built(manifest: Any) -> None:
    assert choice([], manifest, {}, None) == (None, set())


def test_what_is_built_in_any_case_may_be_older(manifest: Any, database: Path) -> None:
    assert selected(manifest, database, {CRP, "model.p.bars__ohlcv"}) == NARROW


def test_a_file_that_cannot_be_read_is_wide(manifest: Any, database: Path) -> None:
    database.with_name("gap_presets.csv").unlink()
    assert selected(manifest, database) == WIDE


def test_all_that_follows_is_found_once(manifest: Any) -> None:
    assert following(manifest, ["seed.p.crp_presets"]) == {CUTOFFS, VOLUMES, CRP, GAP}
    assert following(manifest, [VOLUMES, CRP]) == {CRP, GAP}


def test_unit_tests_are_counted_once_however_many_nodes_wait() -> None:
    """dbt alone counts them for each of the nodes that wait before the first one runs."""
    waiting = SimpleNamespace(resource_type="test", unique_id="test.p.t")
    task: Any = SimpleNamespace(
        run_count=0,
        num_nodes=3,
        selected_unit_tests={"unit_test.p.a", "unit_test.p.b"},
        model_to_unit_test_map={},
        job_queue=SimpleNamespace(get=lambda: waiting),
        handle_job_queue_node=lambda *_: None,
    )
    start = counting_once(BuildTask.handle_job_queue)
    for _ in range(3):
        start(task, None, None)
    assert task.num_nodes == 5
