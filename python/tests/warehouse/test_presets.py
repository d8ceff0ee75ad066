"""Thresholds are rows: who changes a row changes the signals, and touches no SQL."""

from __future__ import annotations

import shutil
from pathlib import Path

from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse

SIGNALS = "select count(*) from scanners.signals where scanner = 'crp' and preset = '{}'"


def test_a_changed_preset_changes_signals_and_only_what_reads_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("models", "macros", "seeds", "functions", "packages", "tests"):
        shutil.copytree(PROJECT / name, project / name)
    for name in ("dbt_project.yml", "profiles.yml", "packages.yml"):
        shutil.copy(PROJECT / name, project / name)
    here = ("--project-dir", str(project), "--profiles-dir", str(project))
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
