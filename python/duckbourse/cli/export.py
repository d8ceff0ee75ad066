"""Rows into a file of the kind that its name ends in, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import duckdb

from duckbourse.errors import ConfigurationError
from duckbourse.warehouse import plain, plain_os, quoted

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
    except duckdb.IOException as error:
        raise plain(error, path) from error
    except OSError as error:
        raise plain_os(error, path) from error
    finally:
        half.unlink(missing_ok=True)
    return int(count)
