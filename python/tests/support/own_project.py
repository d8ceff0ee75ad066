"""A copy of the project that a test can edit, as an analyst would."""

from __future__ import annotations

import shutil
from pathlib import Path

from duckbourse.settings import PROJECT

FOLDERS = ("analyses", "functions", "macros", "models", "packages", "seeds", "tests")
FILES = (".dbtignore", "dbt_project.yml", "packages.yml", "profiles.yml")


def own_project(folder: Path) -> Path:
    """Copy the project without data and Python, with its packages installed."""
    project = folder / "project"
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, project / name)
    for name in FILES:
        shutil.copy(PROJECT / name, project / name)
    # where `dbt deps` would put it
    (project / "dbt_packages").mkdir()
    (project / "dbt_packages" / "dbt_expectations").symlink_to(
        project / "packages" / "dbt_expectations"
    )
    return project
