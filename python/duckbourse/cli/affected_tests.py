"""Unit tests that a change can break: those that import it, directly or not, or name it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from duckbourse.cli.main import COMMANDS
from duckbourse.settings import PROJECT

PYTHON = "python/"
UNIT = "tests.unit"
# These read the whole project without importing it.
PROJECT_TESTS = f"{UNIT}.project"
# No unit test depended on files that were deleted from here.
NO_UNIT_TEST_IMPORTS = ("python/benchmarks/", "python/tests/acceptance/", "python/tests/warehouse/")
# Every test depends on these.
EVERYTHING = ("python/pyproject.toml", "python/requirements", "python/tests/conftest.py")


def affected_tests(changed: Iterable[str]) -> list[str] | None:
    """
    Return the files of unit tests that a change of these paths can break; None means all.

    Paths are relative to the project, with slashes. A file that is not a module, such as a seed,
    can break the tests of the project and those of any module that mentions its name.
    """
    import grimp

    paths = list(changed)
    if any(path.startswith(EVERYTHING) for path in paths):
        return None
    if (folder := str(PROJECT / PYTHON)) not in sys.path:
        sys.path.insert(0, folder)
    graph = grimp.build_graph("duckbourse", "tests", cache_dir=None)
    # commands are imported by name, and some tests run them as processes
    commands = {f"duckbourse.cli.{module}" for module in COMMANDS.values()}
    for command in commands & graph.modules:
        graph.add_import(importer="duckbourse.cli.main", imported=command)
    graph.add_import(importer="tests.support.minimal_project", imported="duckbourse.cli.main")
    reached: set[str] = set()
    for path in paths:
        if path.startswith(PYTHON) and path.endswith(".py"):
            if module_of(path) not in graph.modules:
                if path.startswith(NO_UNIT_TEST_IMPORTS):
                    continue
                # deleted or moved: the graph does not have its importers
                return None
            found = {module_of(path)}
            if path.endswith("__init__.py"):
                found = found.union(*(graph.find_descendants(name) for name in found))
        else:
            found = {name for name in graph.modules if names(name, path)}
            found |= graph.find_descendants(PROJECT_TESTS)
        reached |= found.union(*(graph.find_downstream_modules(name) for name in found))
    tests = (name for name in reached if name.startswith(UNIT) and ".test_" in name)
    return sorted(f"{PYTHON}{name.replace('.', '/')}.py" for name in tests)


def module_of(path: str) -> str:
    """Return the name of a file's module."""
    parts = PurePosixPath(path.removeprefix(PYTHON)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names(module: str, path: str) -> bool:
    """Return whether the text of a module mentions the name of a file."""
    place = PROJECT / PYTHON / module.replace(".", "/")
    file = place.with_suffix(".py")
    file = file if file.exists() else place / "__init__.py"
    return file.exists() and Path(path).stem in file.read_text()
