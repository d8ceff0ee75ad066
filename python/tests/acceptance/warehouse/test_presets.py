"""Thresholds are rows: who changes a row changes the signals, and touches no SQL."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

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
    chosen = ("--select", "crp_presets+", "--exclude", "path:models/backtests")
    replace(copied, project=project).build(*chosen)
    assert (0,) < copied.query(SIGNALS.format("standard"))[0] < before
    assert copied.query(SIGNALS.format("mine"))[0] > before


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
