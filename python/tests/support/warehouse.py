"""A temporary data folder with dbt, and the Parquet that it starts from."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.dbt_server import run_dbt

KINDS = (
    *("daily", "minute", "adjusted_close", "unreadable", "deliveries", "withdrawals"),
    *("cash", "fills", "ticks"),
)
RUN = "build_id, invocation_id, built_at, published_at, as_of"
WITHOUT_TESTS = ("--exclude-resource-types", "test", "unit_test")
DONE_AGAIN = ("stale_symbols", "stale_bars", "day_changes", "models")
SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Warehouse:
    """A temporary data folder, and dbt on it."""

    data: Path
    target: Path
    sample: bool = True
    project: Path = PROJECT
    cores: int | None = None

    @property
    def file(self) -> Path:
        return self.data / "build" / "duckbourse.duckdb"

    def dbt(self, *arguments: str, check: bool = True) -> str:
        """Run dbt and return its output; if `check`, fail the test if dbt failed."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        code, printed = run_dbt(
            list(arguments),
            data=self.data,
            sample=self.sample,
            target=self.target,
            project=self.project,
            cores=self.cores,
        )
        if check and code:
            pytest.fail(printed[-6000:])
        return printed

    def build(self, *arguments: str, tests: bool = False) -> str:
        """Build models and seeds, and run their tests if `tests`."""
        return self.dbt("build", *arguments, *(() if tests else WITHOUT_TESTS))

    def inline(self, template: str) -> str:
        """Return the SQL of a template."""
        with tempfile.TemporaryDirectory() as target:
            words = ["compile", "--target", "lint", "--inline", template]
            code, printed = run_dbt(words, data=self.data, sample=self.sample, target=Path(target))
        assert code == 0, printed
        return printed

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def stored(self) -> dict[str, tuple[int, int]]:
        """Return what each table of the build file holds, as `stored_in`."""
        return stored_in(self.file)

    def content(self, *relations: str) -> dict[str, str]:
        """Return a hash of the rows of each relation, independent of their order."""
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
        """Return the compiled SQL of a model."""
        found = (self.target / "compiled" / "duckbourse" / "models").rglob(f"{model}.sql")
        # beside it may be the fixtures of a unit test
        (path,) = (path for path in found if path.parent.suffix != ".yml")
        return path.read_text()


def stored_in(file: Path) -> dict[str, tuple[int, int]]:
    """
    Return each table's row count and sum of row hashes, independent of their order.

    Columns about the run instead of the data are left out: its id, and what it rebuilt.
    """
    run = f"(select * exclude ({RUN}) from serving.publication)"
    found = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            f"where table_name not in {DONE_AGAIN} order by all"
        ).fetchall()
        for (name,) in tables:
            relation = run if name == "serving.publication" else name
            ((count, total),) = connection.execute(
                f"select count(*), coalesce(sum(hash(t)), 0) from {relation} as t"
            ).fetchall()
            found[str(name)] = (count, total)
    return found


def empty_store(folder: Path) -> Path:
    """Create a raw store without deliveries."""
    for kind in KINDS:
        (folder / "raw" / kind).mkdir(parents=True)
        source = PROJECT / "data" / "raw" / kind / "zz_empty.parquet"
        (folder / "raw" / kind / "zz_empty.parquet").write_bytes(source.read_bytes())
    return folder


def copied_from(built: Warehouse, folder: Path) -> Warehouse:
    """Copy the built warehouse of the shipped data, to continue from it."""
    data = empty_store(folder / "data")
    (data / "sample").symlink_to(PROJECT / "data" / "sample")
    (data / "build").mkdir()
    shutil.copy(built.file, data / "build")
    return Warehouse(data, folder / "target")
