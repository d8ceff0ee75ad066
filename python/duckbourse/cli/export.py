"""Rows into a file of the kind that its name ends in, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import duckdb

from duckbourse.cli.output import notes
from duckbourse.errors import ConfigurationError, StorageFull
from duckbourse.warehouse import is_full, quoted

KINDS = {
    ".csv": "format csv, header",
    ".parquet": "format parquet, compression zstd",
    ".json": "format json, array true",
}


def check_export(path: Path) -> None:
    """Raise ConfigurationError where a file of that name cannot be written."""
    if path.suffix not in KINDS:
        raise ConfigurationError(
            f"{path} does not say what kind of file it is", f"end it with {', '.join(KINDS)}"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}", "make it first")


def export(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Write what a query finds, and return how many rows it was."""
    check_export(path)
    half = path.with_name(f".{path.name}.half")
    try:
        [(count,)] = connection.execute(
            f"copy ({sql}) to {quoted(half)} ({KINDS[path.suffix]})"
        ).fetchall()
        half.replace(path)
    except (duckdb.Error, OSError) as error:
        message = " ".join(str(error).split())
        if is_full(message):
            raise StorageFull(f"no room is left for {path}", "free some disk space") from error
        raise ConfigurationError(
            f"{path} cannot be written: {message}", "name a file in a folder of yours"
        ) from error
    finally:
        half.unlink(missing_ok=True)
    notes.print(f"{count:,} rows written to {path}", markup=False)
    return int(count)
