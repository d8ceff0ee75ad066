"""The exposures in dbt list exactly what their consumers read."""

from __future__ import annotations

import re
from functools import cache

import pytest
import yaml

from duckbourse.settings import PROJECT

PACKAGE = PROJECT / "python" / "duckbourse"
# relations read from the publication; live sessions have tables of the same names in memory
READ = re.compile(r"(?:\bfrom|\bjoin)\s+(\w+\.\w+)")
READ_LIVE = re.compile(r"(?:\{(?:published|CATALOG)\}\.|^(?:BARS|MINUTES) = \")(\w+\.\w+)", re.M)
# the notebook names what it reads through table macros in its docstrings
READ_NOTEBOOK = re.compile(r"(\w+\.\w+)")
# private to their layer in dbt
PRIVATE = {"scanners__cutoffs"}


@cache
def nodes() -> dict[str, str]:
    """Return the dbt name of each relation."""
    models = {
        file.stem.replace("__", ".", 1): file.stem for file in PROJECT.glob("models/**/*__*.sql")
    }
    return models | {f"seeds.{file.stem}": file.stem for file in PROJECT.glob("seeds/*/*.csv")}


@cache
def exposures() -> dict[str, set[str]]:
    listed = yaml.safe_load((PROJECT / "models" / "exposures.yml").read_text())["exposures"]
    return {
        one["name"]: {re.findall(r"'(\w+)'", ref)[0] for ref in one["depends_on"]} for one in listed
    }


def read_by(*places: str) -> set[str]:
    files = [
        file for place in places for file in (PACKAGE.glob(place)) if file.name != "__init__.py"
    ]
    found: set[str] = set()
    for file in files:
        name = str(file.relative_to(PACKAGE))
        pattern = {"streaming/live.py": READ_LIVE, "market.py": READ_NOTEBOOK}.get(name, READ)
        found |= set(pattern.findall(file.read_text()))
    return {nodes()[name] for name in found if name in nodes()}


@pytest.mark.parametrize(
    ("exposure", "places"),
    [
        ("trading_loop", ("trading/*.py", "streaming/*.py")),
        (
            "commands",
            (
                *(
                    f"cli/{name}.py"
                    for name in ("scan", "minutes", "backtest", "risk", "doctor", "status")
                ),
                "lists.py",
            ),
        ),
        ("api", ("api/*.py", "lists.py")),
        ("pages", ("pages/*.py",)),
        ("notebook", ("market.py",)),
        ("sample_minutes", ("synthetic/*.py",)),
        ("build_report", ("summary.py",)),
    ],
)
def test_an_exposure_lists_what_its_code_reads(exposure: str, places: tuple[str, ...]) -> None:
    read = read_by(*places) - PRIVATE
    if exposure == "trading_loop":  # through models/bars/bars__symbol_days.live.sql
        read.add("bars__adjustment_factors")
    if exposure == "pages":  # through the queries of sessions in market.py
        read.add("scanners__session_minutes")
    assert exposures()[exposure] == read


def public_models() -> set[str]:
    """Return the models that `models/README.md` lists as public."""
    text = (PROJECT / "models" / "README.md").read_text()
    table = text.partition("## Public tables")[2].partition("\n## ")[0]
    public = {nodes()[name] for name in re.findall(r"^\| `(\w+\.\w+)`", table, re.MULTILINE)}
    text = (PROJECT / "models" / "indicators" / "README.md").read_text()
    families = {f"indicators__{name}" for name in re.findall(r"`(\w+)`", text)} & set(
        nodes().values()
    )
    # the shipped scanners; one's own, in the same folder, need not be public
    text = (PROJECT / "models" / "scanners" / "README.md").read_text()
    scans = {nodes()[name] for name in re.findall(r"^\| `(scanners\.\w+)` \|", text, re.MULTILINE)}
    assert len(families) == 19
    assert len(scans) == 10
    return public | families | scans


def test_bi_tools_read_the_public_tables() -> None:
    assert exposures()["bi_tools"] == public_models()
