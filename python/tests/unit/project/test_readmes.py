"""Everything that the Markdown files name exists: links, files, commands, options, tables."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from duckbourse.cli.main import COMMANDS, app
from duckbourse.settings import PROJECT

FOLDERS = ("analyses", "data", "functions", "macros", "models", "python", "seeds", "tests")
FILES = sorted(
    file
    for place in (PROJECT.glob("*.md"), *(PROJECT.glob(f"{name}/**/*.md") for name in FOLDERS))
    for file in place
    if "node_modules" not in file.parts
)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"\./bourse [^`|#\n]*")
# paths that exist only after use
MADE = (
    *("data/build/", "data/raw/", "data/duckbourse.duckdb", "data/publications/"),
    "data/trading/",
)
# files of other projects, and of a reader who tries the examples
ELSEWHERE = re.compile(
    r"data/(sp500|nasdaq)|.*/(scanners__)?mine(_scan(_query)?)?\b.*|.*\bmine_presets.csv"
)

by_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_file
def test_links_resolve(file: Path) -> None:
    for link in LINK.findall(file.read_text()):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@by_file
def test_files_that_are_named_exist(file: Path) -> None:
    for text in CODE.findall(file.read_text()):
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", text) or text.startswith(MADE):
            continue
        if text.split("/")[0] in FOLDERS and not ELSEWHERE.fullmatch(text):
            assert (PROJECT / text).exists() or (file.parent / text).exists(), text


@by_file
def test_commands_and_their_options_exist(file: Path) -> None:
    for line in COMMAND.findall(file.read_text()):
        try:
            _, name, *words = shlex.split(line.rstrip("\\ "))
        except ValueError:  # a quoted query that continues on the next line
            _, name, *words = line.split()
        name = name.rstrip(".,;:)")
        if name.startswith("-") or not name.islower():
            continue
        assert name in COMMANDS, line
        options = options_of(name)
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0].rstrip(".,;:)") in options, line


@cache
def options_of(name: str) -> set[str]:
    command: Any = get_command(app).get_command(None, name)  # type: ignore[attr-defined]
    parts = [command, *getattr(command, "commands", {}).values()]
    return {"--help", *(option for part in parts for found in part.params for option in found.opts)}


@by_file
def test_a_percent_sign_follows_its_number(file: Path) -> None:
    for place in (file, *file.parent.glob("*.yml")):
        found = re.findall(r".*\d %(?![\w({}%]).*", place.read_text())
        assert found == [], f"{place}: write 2.5%"


def test_public_tables_are_models_and_have_their_columns() -> None:
    columns = {
        model["name"].replace("__", ".", 1): {column["name"] for column in model["columns"]}
        for file in (PROJECT / "models").rglob("*.yml")
        for model in yaml.safe_load(file.read_text()).get("models") or []
        if "columns" in model
    }
    _, _, rest = (PROJECT / "models" / "README.md").read_text().partition("## Public tables")
    table, _, _ = rest.partition("\n## ")
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    for relation, _, promised in rows:
        name = relation.strip("| `")
        _, _, thing = name.partition(".")
        if thing == "<family>":
            found = [known for known in columns if known.startswith("indicators.")]
            names = {"symbol", "timeframe", "bar_ts"}
            found = [known for known in found if f"`{known.split('.')[1]}`" in families()]
            assert len(found) == 19
        elif thing == "<scanner>":
            names = set(CODE.findall(promised))
            text = (PROJECT / "models" / "scanners" / "README.md").read_text()
            found = re.findall(r"^\| `(scanners\.\w+)` \|", text, re.MULTILINE)
            assert len(found) == 10
            found.remove("scanners.sideways")  # a filter, in a row of its own
        else:
            names, found = set(CODE.findall(promised)), [name]
        for known in found:
            assert names - columns[known] == set(), known


def families() -> str:
    return (PROJECT / "models" / "indicators" / "README.md").read_text()


def test_the_readme_takes_five_minutes_to_read() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 150
