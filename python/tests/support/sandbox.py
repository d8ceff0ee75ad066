"""A temporary dbt project, in which a test can build something small, or fail to."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from duckbourse.dbt_build import QUIET
from duckbourse.settings import PROJECT


@dataclass(frozen=True)
class Sandbox:
    """
    A dbt project called `duckbourse` in a separate folder, with its own DuckDB file.

    It has the real project's settings of layers and packages, and only the models, macros, seeds
    and tests that a test copies or writes into it.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Sandbox:
        sandbox = cls(folder)
        settings = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
        settings.pop("on-run-start", None)
        # these need the build state, which on-run-start creates
        settings["models"].pop("+post-hook", None)
        settings["on-run-end"].remove("{{ record_unpublished() }}")
        sandbox.write("dbt_project.yml", yaml.safe_dump(settings))
        packages = {"packages": [{"local": str(PROJECT / "packages" / "dbt_expectations")}]}
        sandbox.write("packages.yml", yaml.safe_dump(packages))
        output = {
            "type": "duckdb",
            "path": str(sandbox.database),
            "config_options": {"storage_compatibility_version": "v1.0.0"},
            "settings": {"TimeZone": "UTC"},
        }
        profile = {"duckbourse": {"target": "test", "outputs": {"test": output}}}
        sandbox.write("profiles.yml", yaml.safe_dump(profile))
        sandbox.copy("macros/dbt")
        assert sandbox.run("deps") == {}
        return sandbox

    @property
    def database(self) -> Path:
        return self.folder / "sandbox.duckdb"

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def copy(self, *paths: str) -> None:
        """Copy files or folders of the real project to the same paths."""
        for path in paths:
            source, copy = PROJECT / path, self.folder / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, dirs_exist_ok=True)
            else:
                shutil.copy(source, copy)

    def run(self, *arguments: str) -> dict[str, str]:
        """Return the status of each node by name; raise what kept dbt from starting."""
        folders = ("--project-dir", str(self.folder), "--profiles-dir", str(self.folder))
        quiet = (*QUIET, "--quiet", "--log-path", str(self.folder / "logs"))
        # not the target path of the environment, where the sample was built
        with mock.patch.dict(os.environ, {"DBT_TARGET_PATH": str(self.folder / "target")}):
            outcome = dbtRunner().invoke([*quiet, *arguments, *folders])
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        if outcome.exception is not None:
            raise outcome.exception
        results: Any = getattr(outcome.result, "results", [])
        return {
            result.node.name: f"error: {result.message}"
            if result.status == "error"
            else str(result.status)
            for result in results
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(query).fetchall()
