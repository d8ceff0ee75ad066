"""A copy of the project that a test may edit, as an analyst would."""

from __future__ import annotations

import shutil
from pathlib import Path

from duckbourse.settings import PROJECT

FOLDERS = ("analyses", "functions", "macros", "models", "packages", "seeds", "tests")
FILES = ("dbt_project.yml", "packages.yml", "profiles.yml")


def own_project(folder: Path) -> Path:
    """Copy the project without its data and its Python, with its packages in place."""
    project = folder / "project"
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, project / name)
    for name in FILES:
        shutil.copy(PROJECT / name, project / name)
    add_package(project, project / "packages" / "dbt_expectations")
    return project


def add_package(project: Path, package: Path) -> None:
    """Put a package where `dbt deps` would."""
    (project / "dbt_packages").mkdir(exist_ok=True)
    (project / "dbt_packages" / package.name).symlink_to(package)
