"""
A vendor's file as a table that DuckDB can query, whatever its format.

    text        a text column for each of the vendor's columns
    JSON        text columns: see documents.py
    Parquet     as typed by the vendor
    Feather     converted to Parquet by polars, since DuckDB cannot read it
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars

from duckbourse.errors import BadInput, ConfigurationError, NoRows, StorageFull
from duckbourse.ingest.documents import document
from duckbourse.ingest.files import DAMAGED, VendorFile
from duckbourse.ingest.inference.columns import (
    DATE_COLUMN,
    Role,
    date_in_name,
    is_adjusted_history,
    quoted_name,
)
from duckbourse.ingest.inference.dialect import Dialect, infer_dialect
from duckbourse.ingest.inference.wide import ROW, Wide, flat
from duckbourse.ingest.lines import TextFile, lines_in, repaired
from duckbourse.warehouse import is_full, quoted

HEAD_BYTES = 1 << 16
# A non-ASCII character in UTF-8; bytes that cp1252 does not have, or that nobody writes.
UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
WESTERN = "cp1252"
NOT_WESTERN = b"\0\x81\x8d\x8f\x90\x9d\xff"
# Where a symbol was found if the file itself does not state it.
FILE_NAME = "the file's name"


@dataclass(frozen=True)
class VendorTable:
    """
    A vendor's table; `rows` selects its columns in the file's order.

    Some formats determine more: the calendar and label of a broker's candles, a symbol.
    """

    file: VendorFile
    shape: str
    rows: str
    columns: dict[str, str]
    # for a text file: the same rows, recording unparsable lines in `reject_errors`
    recording: str | None = None
    bar_label: str | None = None
    calendar: str | None = None
    # of all rows, and where it was found
    symbol: str | None = None
    symbol_from: str | None = None
    # for a text file: its first rows, to save a query
    head: tuple[tuple[str, ...], ...] = ()
    # for a text file; `quoted` is whether fields in quotes may contain the delimiter
    text: TextFile | None = None
    delimiter: str | None = None
    quoted: bool = False
    # if a row of the file becomes several of `rows`: the column with its number in the file
    row_column: str | None = None
    notes: tuple[str, ...] = ()
    # what its prices are adjusted for and how we know; '' if nothing says so
    adjusted: str = ""


def vendor_table(con: duckdb.DuckDBPyConnection, file: VendorFile) -> VendorTable:
    """Return the table in a file, whose format follows from its first bytes, or raise BadInput."""
    file = without_wildcards(file)
    with file.path.open("rb") as opened:
        head = opened.read(8)
    if not head:
        raise NoRows(f"{file} is empty: 0 bytes", "delete it, or ask the vendor for it again")
    if head[:4] == b"PAR1":
        return parquet(con, file)
    if head[:6] == b"ARROW1":
        return feather(con, file)
    if head[:4] == b"FEA1":
        raise BadInput(f"{file} is Feather version 1", "write it again as version 2 or Parquet")
    suffix = Path(file.name).suffix.lower()
    if suffix in (".parquet", ".feather", ".arrow"):
        raise BadInput(f"{file} is not {suffix[1:]}: its first bytes are {head[:4]!r}", DAMAGED)
    file = replace(file, packed=head[:2] == b"\x1f\x8b")
    encoding = file.options.encoding or infer_encoding(file)
    notes: tuple[str, ...] = ()
    if encoding is not None:
        file = as_utf8(file, encoding)
        if file.options.encoding is None:
            notes = (
                f"it is not UTF-8 and was read as {encoding}: set encoding = '…' if that is wrong",
            )
    text = first_text(file)
    if text.lstrip()[:1] in ("{", "["):
        table = from_json(con, unpacked(file))
    else:
        table = history(text_table(con, file, text))
    return replace(table, notes=(*notes, *table.notes))


def history(table: VendorTable) -> VendorTable:
    """Return the table, marked as adjusted if it is the output of yfinance's `history`."""
    if not is_adjusted_history(table.columns):
        return table
    return replace(table, adjusted="for splits and dividends (as in yfinance without Adj Close)")


def without_wildcards(file: VendorFile) -> VendorFile:
    """Return a file without glob characters: DuckDB reads `prices [2024].csv` as a pattern."""
    if not set("*?[{").intersection(str(file.path)):
        return file
    link = file.scratch / "input"
    link.unlink(missing_ok=True)
    link.symlink_to(file.path.resolve())
    return replace(file, path=link)


@contextmanager
def reading(file: VendorFile) -> Iterator[None]:
    """Turn errors of DuckDB and polars about an unreadable file into BadInput."""
    try:
        yield
    except (duckdb.Error, polars.exceptions.PolarsError, OSError) as error:
        message = str(error).strip().splitlines()[0]
        if is_full(message) or isinstance(error, OSError):
            raise
        if isinstance(error, duckdb.OutOfMemoryException):
            raise ConfigurationError(
                f"{file} does not fit into memory: {message}", "raise BOURSE_MEMORY_LIMIT"
            ) from error
        raise BadInput(f"{file} cannot be read: {message}", DAMAGED) from error


def infer_encoding(file: VendorFile) -> str | None:
    """
    Return cp1252 for a Western European text that is not UTF-8, else None.

    A text with some UTF-8 characters is UTF-8; the reader rejects its other rows.
    """
    before = b""
    found = False
    for block in file.blocks():
        if not before and not found and block[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return None
        if block.isascii():
            before = block[-1:]
            continue
        # a character may begin in the previous block
        piece = before + block
        if UTF8.search(piece):
            return None
        if any(byte in piece for byte in NOT_WESTERN):
            return None
        found = True
        before = block[-3:]
    return WESTERN if found else None


def as_utf8(file: VendorFile, encoding: str) -> VendorFile:
    """Return an uncompressed copy of a text file in UTF-8, or raise BadInput."""
    copy = file.scratch / "utf8"
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with copy.open("wb") as plain:
            for block in file.blocks():
                plain.write(decoder.decode(block).encode())
            plain.write(decoder.decode(b"", final=True).encode())
    except UnicodeError as error:
        raise BadInput(
            f"{file} is not {encoding}: {error}", "correct encoding in the mapping, or leave it out"
        ) from error
    return replace(file, path=copy, packed=False)


def first_text(file: VendorFile) -> str:
    """Return the beginning of a text file, or raise BadInput if it is empty or UTF-16."""
    with file.opened() as opened:
        head = opened.read(HEAD_BYTES)
    if not head:
        raise NoRows(f"{file} is empty: 0 bytes", "delete it, or ask the vendor for it again")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput(f"{file} is UTF-16 text", "write it again as UTF-8")
    # the reader rejects rows that are not UTF-8; the file is not refused for them
    return head.decode("utf-8-sig", errors="replace")


def unpacked(file: VendorFile) -> VendorFile:
    """Return a file that is not compressed."""
    if not file.packed:
        return file
    copy = file.scratch / "unpacked"
    with copy.open("wb") as plain:
        plain.writelines(file.blocks())
    return replace(file, path=copy, packed=False)


def text_table(con: duckdb.DuckDBPyConnection, file: VendorFile, head: str) -> VendorTable:
    """Return the table in a delimited text file; each line is a row or rejected."""
    dialect = infer_dialect(head, file)
    text = TextFile(file.path, file.packed, dialect.rows_at)
    call = csv_call(file.path, dialect, file.packed)
    with file.unpacking():
        survey = text.survey()
        above = lines_in(head)[: dialect.rows_at]
        in_rows = survey.quotes > sum(line.count('"') for line in above)
        if (
            survey.mixed
            or any(line.count('"') % 2 for line in above)
            or (in_rows and record_count(con, call) != survey.lines - sum(map(bool, above)))
        ):
            copy = file.scratch / "repaired"
            text = repaired(text, copy, dialect.delimiter, len(dialect.names))
            call = csv_call(copy, dialect, packed=False)
    table = VendorTable(
        file,
        shape="text",
        rows=f"select * from {call}, ignore_errors = true)",
        recording=f"select * from {call}, store_rejects = true)",
        columns=dict.fromkeys(dialect.names, "VARCHAR"),
        head=dialect.rows,
        text=text,
        delimiter=dialect.delimiter,
        quoted=dialect.quoted,
    )
    if dialect.above:
        lines = "the line" if dialect.above == 1 else f"{dialect.above} lines"
        table = replace(table, notes=(f"skipped {lines} above its header",))
    return dated(by_symbol(table, dialect.wide))


def dated(table: VendorTable) -> VendorTable:
    """Return the table with a column for a date that only the file's name has."""
    day = date_in_name(list(table.columns), table.file.stem)
    if day is None:
        return table
    more = f"select *, {quoted(day)} as {DATE_COLUMN}"
    return replace(
        table,
        rows=f"{more} from ({table.rows})",
        recording=table.recording and f"{more} from ({table.recording})",
        columns=table.columns | {DATE_COLUMN: "VARCHAR"},
        head=tuple((*row, day.isoformat()) for row in table.head),
        notes=(*table.notes, f"the date is {day}, from the file's name"),
    )


def csv_call(path: Path, dialect: Dialect, packed: bool) -> str:
    """Return the beginning of the table function that reads a text file."""
    columns = ", ".join(f"{quoted(name)}: 'varchar'" for name in dialect.names)
    return (
        f"read_csv({quoted(path)}, auto_detect = false, header = false, skip = {dialect.rows_at},"
        f" delim = {quoted(dialect.delimiter)}, quote = '\"', escape = '\"',"
        f" compression = '{'gzip' if packed else 'none'}', columns = {{{columns}}}"
    )


def record_count(con: duckdb.DuckDBPyConnection, call: str) -> int | None:
    """Return how many records DuckDB finds, rejected ones included, or None if it gives up."""
    forget_rejects(con)
    try:
        [(rows,)] = con.execute(f"select count(*) from {call}, store_rejects = true)").fetchall()
    except duckdb.InvalidInputException:
        return None
    [(rejected,)] = con.execute("select count(distinct line) from reject_errors").fetchall()
    return int(rows + rejected)


def forget_rejects(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the lines that DuckDB has rejected, since it would add to them."""
    con.execute("drop table if exists reject_errors; drop table if exists reject_scans")


def by_symbol(table: VendorTable, wide: Wide | None) -> VendorTable:
    """Return the table with one row per symbol if it has columns per symbol."""
    if wide is None:
        return table
    columns = {name: table.columns[name] for name in wide.index}
    if len(wide.symbols) == 1:
        [(symbol, own)] = wide.symbols.items()
        columns |= {field: table.columns[name] for field, name in own.items()}
        names = ", ".join(
            [quoted_name(name) for name in wide.index]
            + [f"{quoted_name(name)} as {quoted_name(field)}" for field, name in own.items()]
        )
        at = [list(table.columns).index(name) for name in (*wide.index, *own.values())]
        return replace(
            table,
            rows=f"select {names} from ({table.rows})",
            recording=table.recording and f"select {names} from ({table.recording})",
            columns=columns,
            symbol=symbol,
            symbol_from="header",
            head=tuple(tuple(row[place] for place in at) for row in table.head),
        )
    # a column with the name of one of ours is dropped
    ours = {ROW, Role.SYMBOL.value, *(field.lower() for field in wide.fields)}
    wide = replace(wide, index=tuple(name for name in wide.index if name.lower() not in ours))
    columns = {name: table.columns[name] for name in wide.index}
    columns["symbol"] = "VARCHAR"
    for field in wide.fields:
        kinds = {table.columns[own[field]] for own in wide.symbols.values() if field in own}
        columns[field] = kinds.pop() if len(kinds) == 1 else "DOUBLE"
    return replace(
        table,
        rows=wide.unpivoted(table.rows),
        recording=table.recording and wide.unpivoted(table.recording),
        columns=columns,
        row_column=ROW,
        head=(),
    )


def parquet(con: duckdb.DuckDBPyConnection, file: VendorFile) -> VendorTable:
    """Return the table in a Parquet file."""
    rows = f"select * from read_parquet({quoted(file.path)}, hive_partitioning = false)"
    with reading(file):
        described = con.execute(f"describe {rows}").fetchall()
    columns = {column[0]: column[1] for column in described}
    return history(by_symbol(VendorTable(file, "parquet", rows, columns), flat(list(columns))))


def feather(con: duckdb.DuckDBPyConnection, file: VendorFile) -> VendorTable:
    """Return the table in a Feather (Arrow IPC) file."""
    copy = file.scratch / "feather.parquet"
    with reading(file):
        polars.scan_ipc(file.path).sink_parquet(copy, compression="lz4")
    return parquet(con, replace(file, path=copy))


def from_json(con: duckdb.DuckDBPyConnection, file: VendorFile) -> VendorTable:
    """Return the table in a JSON document of a known shape."""
    with reading(file):
        found = document(con, file)
    return VendorTable(
        file,
        shape=found.shape.vendor or found.shape.form,
        rows=found.rows,
        columns=dict.fromkeys(found.columns, "VARCHAR"),
        bar_label=found.shape.bar_label,
        calendar=found.shape.calendar,
        symbol=found.symbol,
        symbol_from=found.symbol_from,
        adjusted=found.adjusted,
        notes=found.notes,
    )


def storage_full(error: BaseException, where: Path) -> StorageFull:
    """Return the error for a full disk."""
    message = str(error).strip().splitlines()[0]
    return StorageFull(
        f"the disk of {where} is full: {message}",
        "free some space and run the same command again; delivered files are not read twice",
    )
