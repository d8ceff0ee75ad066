"""A warehouse to look at, and warehouses to build and break."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.warehouse.on_read import OnRead

KINDS = ("daily", "minute", "adjusted_close", "unreadable", "deliveries", "fills", "ticks")
DBT = Path(sys.executable).parent / "dbt"
SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Warehouse:
    """A data folder of its own, and dbt on it."""

    data: Path
    target: Path
    sample: bool = True
    project: Path = PROJECT

    @property
    def file(self) -> Path:
        return self.data / "build" / "duckbourse.duckdb"

    def dbt(self, *arguments: str, check: bool = True) -> str:
        """Run dbt, return what it printed, and fail the test if it failed and `check` is set."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [str(DBT), "--no-use-colors", "--quiet", *arguments],
            cwd=self.project,
            env={
                **os.environ,
                "BOURSE_DATA_DIR": str(self.data),
                "BOURSE_SAMPLE": str(self.sample).lower(),
                "DBT_TARGET_PATH": str(self.target),
                "DBT_LOG_PATH": str(self.target / "logs"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(done.stdout[-4000:] + done.stderr[-2000:])
        return done.stdout

    def build(self, *arguments: str, tests: bool = False) -> str:
        """Build models and seeds, and run their tests too if asked."""
        left_out = [] if tests else ["--exclude-resource-types", "test", "unit_test"]
        return self.dbt("build", *arguments, *left_out)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def content(self, *relations: str) -> dict[str, str]:
        """Return a hash of all rows of each relation, whatever their order."""
        return {
            relation: str(
                self.query(
                    "select md5(string_agg(row, '' order by row)) "
                    f"from (select md5(t::varchar) as row from {relation} as t)"
                )[0][0]
            )
            for relation in relations
        }

    def compiled(self, model: str) -> str:
        """Return the SQL that dbt made of a model."""
        found = (self.target / "compiled" / "duckbourse" / "models").rglob(f"{model}.sql")
        # beside it may lie what a unit test gives in its place
        (path,) = (path for path in found if path.parent.suffix != ".yml")
        return path.read_text()


def empty_store(folder: Path) -> Path:
    """Make a raw store without a delivery."""
    for kind in KINDS:
        (folder / "raw" / kind).mkdir(parents=True)
        source = PROJECT / "data" / "raw" / kind / "zz_empty.parquet"
        (folder / "raw" / kind / "zz_empty.parquet").write_bytes(source.read_bytes())
    return folder


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse of the shipped data and of what a test delivers."""
    data = empty_store(tmp_path / "data")
    (data / "sample").symlink_to(PROJECT / "data" / "sample")
    return Warehouse(data, tmp_path / "target")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The shipped data, built once: by `./bourse test` before the tests, or here."""
    built = Warehouse(PROJECT / "target" / "test-data", PROJECT / "target" / "test")
    if built.file.exists() and os.environ.get("BOURSE_DATA_DIR") == "target/test-data":
        return built
    folder = tmp_path_factory.mktemp("sample")
    data = empty_store(folder / "data")
    (data / "sample").symlink_to(PROJECT / "data" / "sample")
    own = Warehouse(data, folder / "target")
    own.build()
    return own


@pytest.fixture(scope="session")
def table_macros(sample: Warehouse) -> str:
    """What makes the table macros of all indicators."""
    return sample.dbt("compile", "--target", "lint", "--inline", "{{ table_macros() }}")


@pytest.fixture(scope="session")
def indicator(table_macros: str) -> OnRead:
    """Any indicator, with any periods, on bars that a test makes up."""
    return OnRead(table_macros)
