"""
A vendor's file as something DuckDB can select from, whatever its format.

    text        one column of text for each of the vendor's
    JSON        Kite's candles, Dhan's arrays, or a list of records: columns of text
    Parquet     as typed by the vendor
    Feather     made Parquet by polars, which DuckDB then reads: it has no reader of its own for it
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars

from duckbourse.errors import BadInput, ConfigurationError, NotBars, StorageFull
from duckbourse.ingest.columns import Role
from duckbourse.ingest.dialect import dialect
from duckbourse.ingest.options import Options
from duckbourse.warehouse import is_full, quoted

HEAD_BYTES = 1 << 16
CANDLE = ("timestamp", "open", "high", "low", "close", "volume", "oi")
DHAN_STAMPS = ("timestamp", "start_Time", "start_time")


@dataclass(frozen=True)
class VendorTable:
    """
    `rows` selects the vendor's columns in the file's order.

    What a format settles by itself: the calendar and label of a broker's candles, a symbol.
    """

    shape: str
    rows: str
    columns: dict[str, str]
    # how many records of the file precede the first row: a rejected line's number minus this
    lines_before: int = 0
    # for a text file: the same rows, where lines that are no rows are put into `reject_errors`
    recording: str | None = None
    bar_label: str | None = None
    calendar: str | None = None
    symbol: str | None = None
    # for a text file: its first rows, so that they need not be asked for
    head: tuple[tuple[str, ...], ...] = ()


def vendor_table(
    con: duckdb.DuckDBPyConnection, path: Path, file: str, scratch: Path, options: Options
) -> VendorTable:
    """Return the table in a file, told by its first bytes, or raise BadInput."""
    path = without_wildcards(path, scratch)
    with path.open("rb") as opened:
        head = opened.read(8)
    if not head:
        raise NotBars(f"{file} is empty: 0 bytes", "delete it, or ask the vendor for it again")
    if head[:4] == b"PAR1":
        return parquet(con, path, file)
    if head[:6] == b"ARROW1":
        return feather(con, path, file, scratch)
    if head[:4] == b"FEA1":
        raise BadInput(f"{file} is Feather of version 1", "write it again as version 2 or Parquet")
    suffix = Path(file).suffix.lower()
    if suffix in (".parquet", ".feather", ".arrow"):
        raise BadInput(f"{file} is not {suffix[1:]}: its first bytes are {head[:4]!r}", DAMAGED)
    packed = head[:2] == b"\x1f\x8b"
    text = first_text(path, file, packed)
    if text.lstrip()[:1] in ("{", "["):
        return from_json(con, unpacked(path, file, scratch) if packed else path, file)
    return text_table(path, file, text, packed, options)


DAMAGED = "it is damaged or cut short: copy or download it again"


def without_wildcards(path: Path, scratch: Path) -> Path:
    """Return a path that DuckDB takes for one file: to it, `prices [2024].csv` is a pattern."""
    if not set("*?[{").intersection(str(path)):
        return path
    link = scratch / "input"
    link.unlink(missing_ok=True)
    link.symlink_to(path.resolve())
    return link


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Turn what DuckDB and polars say of a file they cannot read into one line of ours."""
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


def first_text(path: Path, file: str, packed: bool) -> str:
    """Return the beginning of a text file, or raise BadInput where it is not UTF-8 text."""
    try:
        with gzip.open(path) if packed else path.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"{file} is damaged gzip: {error}", DAMAGED) from error
    if not head:
        raise NotBars(f"{file} is empty: 0 bytes", "delete it, or ask the vendor for it again")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput(f"{file} is UTF-16 text", "write it again as UTF-8")
    # a row that is not UTF-8 is for the reader to keep aside, not a reason to refuse the file
    return head.decode("utf-8-sig", errors="replace")


def unpacked(path: Path, file: str, scratch: Path) -> Path:
    """Return a copy of a gzip file without the gzip."""
    copy = scratch / "unpacked"
    try:
        with gzip.open(path) as packed, copy.open("wb") as plain:
            while block := packed.read(1 << 20):
                plain.write(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"{file} is damaged gzip: {error}", DAMAGED) from error
    return copy


def text_table(path: Path, file: str, head: str, packed: bool, options: Options) -> VendorTable:
    """Return the table in a delimited text file."""
    layout = dialect(head, options, file)
    columns = ", ".join(f"{quoted(name or 'nameless')}: 'varchar'" for name in layout.names)
    call = (
        f"read_csv({quoted(path)}, auto_detect = false, header = false, skip = {layout.rows_at},"
        f" delim = {quoted(layout.delimiter)}, quote = '\"', escape = '\"',"
        f" compression = '{'gzip' if packed else 'none'}', columns = {{{columns}}}"
    )
    return VendorTable(
        shape="text",
        rows=f"select * from {call}, ignore_errors = true)",
        recording=f"select * from {call}, store_rejects = true)",
        columns=dict.fromkeys((name or "nameless" for name in layout.names), "VARCHAR"),
        lines_before=layout.rows_at,
        symbol=layout.symbol,
        head=layout.rows,
    )


def parquet(con: duckdb.DuckDBPyConnection, path: Path, file: str) -> VendorTable:
    """Return the table in a Parquet file."""
    rows = f"select * from read_parquet({quoted(path)}, hive_partitioning = false)"
    with reading(file):
        columns = con.execute(f"describe {rows}").fetchall()
    return VendorTable("parquet", rows, {column[0]: column[1] for column in columns})


def feather(con: duckdb.DuckDBPyConnection, path: Path, file: str, scratch: Path) -> VendorTable:
    """Return the table in a Feather (Arrow IPC) file."""
    copy = scratch / "feather.parquet"
    with reading(file):
        polars.scan_ipc(path).sink_parquet(copy, compression="lz4")
    return parquet(con, copy, file)


def from_json(con: duckdb.DuckDBPyConnection, path: Path, file: str) -> VendorTable:
    """Return the table in a JSON document of one of the shapes we know."""
    try:
        con.execute(
            "create or replace temp table document as"
            f" select content::json as doc from read_text({quoted(path)})"
        )
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        message = str(error).split("  Input:")[0].removeprefix("Conversion Error: ")
        raise BadInput(f"{file} is not JSON: {message.splitlines()[0]}", DAMAGED) from error
    [(top, status, said)] = con.execute(
        "select json_type(doc), doc ->> '$.status', doc ->> '$.message' from document"
    ).fetchall()
    if status not in (None, "success"):
        raise BadInput(f"{file} is a vendor's error: {said or status}", "ask the vendor again")
    if top == "ARRAY":
        return records(con, file)
    for place in ("$.data", "$"):
        [(keys,)] = con.execute(f"select json_keys(doc, '{place}') from document").fetchall()
        if "candles" in (keys or []):
            return candles(f"{place}.candles")
        stamps = [key for key in DHAN_STAMPS if key in (keys or [])]
        if stamps and "close" in keys:
            return arrays(con, file, place, stamps[0], keys)
    raise NotBars(
        f"{file} is JSON of a shape that holds no bars",
        "give Kite's {data: {candles: […]}}, Dhan's {open: […], …} or a list of records",
    )


def candles(place: str) -> VendorTable:
    """Return Kite's candles: arrays of stamp, open, high, low, close, volume and open interest."""
    fields = ", ".join(f"candle ->> {at} as {quoted_name(n)}" for at, n in enumerate(CANDLE))
    return VendorTable(
        shape="kite",
        rows=(
            f"select {fields} from (select unnest(from_json(doc -> '{place}', '[\"json\"]'))"
            " as candle from document)"
        ),
        columns=dict.fromkeys(CANDLE, "VARCHAR"),
        bar_label="start",
        calendar="XNSE",
    )


def arrays(
    con: duckdb.DuckDBPyConnection, file: str, place: str, stamp: str, keys: list[str]
) -> VendorTable:
    """Return Dhan's arrays, one for each column."""
    names = [stamp, *(key for key in ("open", "high", "low", "close", "volume") if key in keys)]
    counts = ", ".join(f"json_array_length(doc, '{place}.{name}')" for name in names)
    [lengths] = con.execute(f"select {counts} from document").fetchall()
    if len(set(lengths)) > 1:
        said = ", ".join(f"{name} {length}" for name, length in zip(names, lengths, strict=True))
        raise BadInput(f"{file} has arrays of different lengths: {said}", DAMAGED)
    fields = ", ".join(
        f"unnest(from_json(doc -> '{place}.{name}', '[\"varchar\"]'))"
        f" as {quoted_name(Role.TIMESTAMP if name == stamp else name)}"
        for name in names
    )
    return VendorTable(
        shape="dhan",
        rows=f"select {fields} from document",
        columns=dict.fromkeys((Role.TIMESTAMP.value, *names[1:]), "VARCHAR"),
        bar_label="start",
        calendar="XNSE",
    )


def records(con: duckdb.DuckDBPyConnection, file: str) -> VendorTable:
    """Return a list of objects, whose keys are the columns."""
    found = con.execute(
        "select distinct unnest(json_keys(record)) as name from"
        " (select unnest(from_json(doc, '[\"json\"]')) as record from document limit 100)"
        " order by name"
    ).fetchall()
    names = [name for (name,) in found]
    if not names:
        raise NotBars(f"{file} is a JSON list without records", "give a list of objects")
    fields = ", ".join(
        f"json_extract_string(record, '$.' || {quoted(key)}) as {quoted_name(name)}"
        for name, key in ((name, '"' + name + '"') for name in names)
    )
    return VendorTable(
        shape="records",
        rows=(
            f"select {fields} from (select unnest(from_json(doc, '[\"json\"]')) as record"
            " from document)"
        ),
        columns=dict.fromkeys(names, "VARCHAR"),
    )


def quoted_name(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def full_disk(error: BaseException, where: Path) -> StorageFull:
    """Return the error of a disk without room."""
    message = str(error).strip().splitlines()[0]
    return StorageFull(
        f"the disk of {where} is full: {message}",
        "free some space and run the same command again: what was delivered is not read twice",
    )
