"""Thresholds are rows: who changes a row changes the signals, and touches no SQL."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

from duckbourse.dbt_build import narrowed
from duckbourse.settings import PROJECT
from tests.support.dbt_server import read_project
from tests.support.own_project import own_project
from tests.support.warehouse import Warehouse

SIGNALS = "select count(*) from scanners.signals where scanner = 'crp' and preset = '{}'"


def test_a_changed_preset_changes_signals(copied: Warehouse, tmp_path: Path) -> None:
    before = copied.query(SIGNALS.format("standard"))[0]
    assert before > (0,)

    project = own_project(tmp_path)
    presets = project / "seeds" / "scanners" / "crp_presets.csv"
    lines = presets.read_text().splitlines()
    standard = next(line for line in lines if line.startswith("standard,"))
    # at most one signal a session, and a preset of one's own that takes ten
    stricter = standard.replace(",3,15:15", ",1,15:15")
    own = standard.replace("standard,", "mine,").replace(",3,15:15", ",10,15:15")
    assert len({standard, stricter, own}) == 3
    presets.write_text(
        "\n".join([line for line in lines if line != standard] + [stricter, own]) + "\n"
    )

    # all that reads them but what is made of signals
    edited, rest = replace(copied, project=project), ("--exclude", "path:models/backtests")
    selectors, _ = narrowed(["crp_presets+"], read_project(), project, copied.file)
    assert {"crp_presets", "scanners__crp+", "crp_scan+"} < set(selectors)
    assert "scanners__cutoffs+" not in selectors
    edited.build("--select", *selectors, *rest)
    assert (0,) < copied.query(SIGNALS.format("standard"))[0] < before
    assert copied.query(SIGNALS.format("mine"))[0] > before

    # the other scanners are as if everything that follows from the presets were built
    narrow = copied.stored()
    edited.build("--select", "crp_presets+", *rest)
    assert copied.stored() == narrow


def test_a_new_cutoff_reaches_all_scanners(sample: Warehouse, tmp_path: Path) -> None:
    manifest = read_project()
    (seed,) = (node for node in manifest.nodes.values() if node.name == "crp_presets")
    presets = tmp_path / seed.original_file_path
    shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")
    shipped = (PROJECT / seed.original_file_path).read_text()

    def selected(text: str, *selectors: str) -> list[str]:
        presets.write_text(text)
        return narrowed(list(selectors), manifest, tmp_path, sample.file)[0]

    assert "scanners__cutoffs+" not in selected(shipped, "crp_presets+")
    for column, other in ((",09:50,", ",09:51,"), (",5,5,3,15:15", ",6,5,3,15:15")):
        edited = shipped.replace(column, other, 1)
        assert edited != shipped
        assert "scanners__cutoffs+" in selected(edited, "crp_presets+")
    # a file for dbt to refuse, and selectors that are not a seed with what follows from it
    assert "scanners__cutoffs+" in selected(shipped.replace("09:50", "soon", 1), "crp_presets+")
    others = ["crp_presets", "+crp_presets+", "scanners__crp+", "tag:x"]
    assert selected(shipped, *others) == others


def test_columns_of_presets_that_reach_other_scanners_are_declared() -> None:
    for node in read_project().nodes.values():
        if columns := node.config.meta.get("preset_columns"):
            assert f"all_presets({columns})" in node.raw_code
            assert "_presets'" not in node.raw_code


# an exit before the cutoff, a time and a number that are none, weights that do not add up
WRONG = {
    "gap": (",15:15", ",09:45", r"Failure in test \S*gap_presets.*\n.*Got 1 result"),
    "momentum": (",10:30,", ",10.30am,", r"(?s:momentum_presets.*Could not convert)"),
    "breakout": ("standard,5,", "standard,five,", r"(?s:breakout_presets.*Could not convert)"),
    "crp": (",0.4,0.3,0.2,0.1,", ",0.4,0.3,0.2,0.9,", r"Failure in test \S*crp_presets.*\n.*Got 1"),
}


def test_wrong_presets_stop_the_build(copied: Warehouse, tmp_path: Path) -> None:
    project = own_project(tmp_path)
    for scanner, (right, wrong, _) in WRONG.items():
        presets = project / "seeds" / "scanners" / f"{scanner}_presets.csv"
        text = presets.read_text()
        assert right in text
        presets.write_text(text.replace(right, wrong, 1))
    seeds = [f"{scanner}_presets" for scanner in WRONG]
    printed = replace(copied, project=project).dbt("build", "--select", *seeds, check=False)
    for scanner, (*_, said) in WRONG.items():
        assert re.search(said, printed), f"{scanner}: {printed}"
