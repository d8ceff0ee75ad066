"""Thresholds are rows: who changes a row changes the signals, and touches no SQL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse

SIGNALS = "select count(*) from scanners.signals where scanner = 'crp' and preset = '{}'"


def own_project(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Copy the project, so that its seeds can be edited, and return how dbt is told of it."""
    project = folder / "project"
    project.mkdir()
    for name in ("models", "macros", "seeds", "functions", "packages", "tests"):
        shutil.copytree(PROJECT / name, project / name)
    for name in ("dbt_project.yml", "profiles.yml", "packages.yml"):
        shutil.copy(PROJECT / name, project / name)
    return project, ("--project-dir", str(project), "--profiles-dir", str(project))


def test_a_changed_preset_changes_signals_and_only_what_reads_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    project, here = own_project(tmp_path)
    warehouse.dbt("deps", *here)
    warehouse.build(*here)
    before = warehouse.query(SIGNALS.format("standard"))[0]
    assert before > (0,)

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

    warehouse.build(*here, "--select", "crp_presets+")
    assert (0,) < warehouse.query(SIGNALS.format("standard"))[0] < before
    assert warehouse.query(SIGNALS.format("mine"))[0] > before


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (",09:50,", ",9.50am,", "Got 1 result"),
        ("standard,2.0,", "standard,two,", "Could not convert string"),
        (",0.4,0.3,0.2,0.1,", ",0.4,0.3,0.2,0.9,", "Got 1 result"),
    ],
)
def test_a_wrong_preset_stops_the_build(
    warehouse: Warehouse, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    project, here = own_project(tmp_path)
    presets = project / "seeds" / "scanners" / "crp_presets.csv"
    text = presets.read_text()
    assert right in text
    presets.write_text(text.replace(right, wrong, 1))
    warehouse.dbt("deps", *here)
    printed = warehouse.dbt("build", *here, "--select", "crp_presets", check=False)
    assert said in printed
    assert "crp_presets" in printed
