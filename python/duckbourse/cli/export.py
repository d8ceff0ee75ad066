"""Export rows to a file whose suffix is its format, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from duckbourse.cli.output import notes, print_csv
from duckbourse.errors import ConfigurationError, StorageFull
from duckbourse.warehouse import is_full, quoted
from duckbourse.words import counted

# rows that are fetched at once
BATCH = 1000
KINDS = {
    ".csv": "format csv, header",
    ".parquet": "format parquet, compression zstd",
    ".json": "format json, array true",
}


def check_export(path: Path) -> None:
    """Raise ConfigurationError if no file of that name can be written."""
    if path.suffix not in KINDS:
        raise ConfigurationError(
            f"{path} does not say what kind of file it is", f"end its name with {', '.join(KINDS)}"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}", "make it first")


def print_csv_of(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Print the rows of a query as CSV: those that `export` writes to a file."""
    cursor = connection.execute(as_texts(sql))
    print_csv([column[0] for column in cursor.description or []], rows_of(cursor))


def rows_of(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query, of which only a few are in memory."""
    while batch := cursor.fetchmany(BATCH):
        yield from batch


def as_texts(sql: str) -> str:
    """Return the query of a query's rows as DuckDB writes their values into a CSV."""
    return f"select columns(*)::varchar from ({sql}\n)"


def half_of(path: Path) -> Path:
    """Return the file that an export is written to before it is renamed."""
    return path.with_name(f".{path.name}.half")


def export(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Write the rows of a query, and return their number."""
    check_export(path)
    half = half_of(path)
    try:
        [(count,)] = connection.execute(
            f"copy ({sql}\n) to {quoted(half)} ({KINDS[path.suffix]})"
        ).fetchall()
        half.replace(path)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise  # of the query, not of the file
    except (duckdb.Error, OSError) as error:
        message = " ".join(str(error).split())
        if is_full(message):
            raise StorageFull(
                f"the disk is full, writing {path}", "free some disk space"
            ) from error
        raise ConfigurationError(
            f"{path} cannot be written: {message}", "name a file in a folder that you can write to"
        ) from error
    finally:
        half.unlink(missing_ok=True)
    notes.print(f"{counted(count, 'row')} written to {path}", markup=False)
    return int(count)
