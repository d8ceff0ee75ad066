"""
Rows as JSON, CSV, an Arrow stream or Parquet, by the `Accept` header.

JSON is a list of objects in `rows`. A DECIMAL is text, so that no digit is lost; an integer is a
number, and text if it is beyond 2^53 - 1, which JavaScript cannot hold; NULL, NaN and infinities
are null; dates and times are ISO text, a time of day may be 24:00:00. Other types are text as
DuckDB writes it. CSV has each value as DuckDB writes it; an empty field is NULL, and `""` an empty
text. Arrow and Parquet keep DuckDB's types, except that times of day, intervals and what Arrow has
no type for are text.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import polars
from duckdb import DuckDBPyRelation

from duckbourse.api.problems import Refused
from duckbourse.warehouse import identifier

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS = (JSON, CSV, ARROW, PARQUET)
LARGEST_NUMBER = 2**53 - 1
# of a page, rows times columns: what Python holds is outside of DuckDB's limit
MOST_VALUES = 2_000_000
# of the texts of a page
MOST_BYTES = 64_000_000
OF_FIXED_SIZE = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|UUID|INTERVAL"
    r"|DATE|TIME(STAMP)?(_S|_MS|_NS| WITH TIME ZONE)?"
)
# types that Arrow and polars hold without a loss
IN_ARROW = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|VARCHAR|DATE|BLOB"
    r"|DECIMAL\(\d+,\d+\)|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?)(\[\])*"
)
# types that Python would write otherwise than DuckDB
AS_TEXT = re.compile(r"INTERVAL|BLOB|BIT|TIME WITH TIME ZONE")
# types whose values msgspec writes as JSON has them here
AS_THEY_ARE = re.compile(
    r"BOOLEAN|U?(TINY|SMALL)INT|U?INTEGER|FLOAT|DOUBLE|VARCHAR|DATE|TIMESTAMP(_S|_MS)?"
)


@dataclass(frozen=True)
class Encoded:
    """One page of rows: its bytes, and the text of each key of the last row if more follow."""

    content: bytes
    row_count: int
    next_key: tuple[str | None, ...] | None


def chosen_format(accept: str, among: Sequence[str] = FORMATS) -> str:
    """Return the format that an Accept header prefers; raise Refused if it takes none of them."""
    best, quality_of_best = "", 0.0
    for each in among:
        quality = _quality(accept or "*/*", each)
        if quality > quality_of_best:
            best, quality_of_best = each, quality
    if not best:
        raise Refused(406, "the Accept header takes none of the formats", f"ask for {among}")
    return best


def _quality(accept: str, kind: str) -> float:
    """Return how much an Accept header wants a kind: by its most specific range."""
    specific, found = -1, 0.0
    for part in accept.split(","):
        wanted, *parameters = (each.strip().lower() for each in part.split(";"))
        ranges = (kind, kind.split("/")[0] + "/*", "*/*")
        if wanted not in ranges:
            continue
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                matched = re.fullmatch(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)", parameter)
                weight = float(matched[1]) if matched else 0.0
        place = 2 - ranges.index(wanted)
        if place > specific:
            specific, found = place, weight
    return found


def encode(
    found: DuckDBPyRelation,
    kind: str,
    *,
    limit: int,
    key: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Encoded:
    """
    Return at most `limit` rows of a relation in a format, of very wide ones fewer.

    `extra` stands beside the rows in JSON. A key is returned only if there are more rows. Texts of
    more than MOST_BYTES raise Refused.
    """
    names = [str(name) for name in found.columns]
    for name, count in Counter(map(str.casefold, names)).items():
        if count > 1:  # the later ones would have the values of the first
            raise Refused(
                400,
                f"{count} columns are named {name!r}",
                f'give each a name of its own, such as {identifier(name)} as "{name}_2"',
            )
    limit = max(1, min(limit, MOST_VALUES // max(1, len(names))))
    some = found.limit(limit + 1)
    places = [names.index(name) for name in key]
    if kind == CSV:
        some = some.project(
            ", ".join(f"{identifier(name)}::varchar as {identifier(name)}" for name in names)
        )
    elif kind == JSON:
        some = some.project(
            ", ".join(
                f"{_for_json(identifier(name), str(of))} as {identifier(name)}"
                for name, of in zip(names, some.types, strict=True)
            )
        )
    if kind in (JSON, CSV):
        kept = _kept(some)
        rows = kept.fetchall()
        page = rows[:limit]
        last = page[-1] if len(rows) > limit else None
        if kind == CSV:
            content = _csv(names, page)
        else:
            others = [
                name
                for name, of in zip(names, kept.types, strict=True)
                if not AS_THEY_ARE.fullmatch(str(of))
            ]
            content = _json(names, others, page, extra or {})
        return Encoded(content, len(page), last and tuple(_word(last[place]) for place in places))
    frame = polars.DataFrame(_kept(_for_arrow(some)))
    cut = frame.head(limit)
    following = None
    if frame.height > limit and limit:
        row = cut.row(-1)
        following = tuple(_word(row[place]) for place in places)
    buffer = io.BytesIO()
    if kind == ARROW:
        cut.write_ipc_stream(buffer)
    else:
        cut.write_parquet(buffer)
    return Encoded(buffer.getvalue(), cut.height, following)


def _kept(found: DuckDBPyRelation) -> DuckDBPyRelation:
    # it runs once, and Python makes nothing of it before its size is known
    kept = found.materialize()
    sizes = [
        f"coalesce(strlen({identifier(str(name))}::varchar), 0)"
        for name, kind in zip(kept.columns, kept.types, strict=True)
        if not OF_FIXED_SIZE.fullmatch(str(kind))
    ]
    if sizes:
        [(taken,)] = kept.aggregate(f"coalesce(sum({' + '.join(sizes)}), 0)").fetchall()
        if taken > MOST_BYTES:
            raise Refused(
                422,
                f"the rows have more than {MOST_BYTES:,} bytes",
                "ask for fewer rows, or for fewer columns",
            )
    return kept


def _word(value: Any) -> str | None:
    return None if value is None else str(value)


def _for_json(quoted: str, kind: str) -> str:
    """Return a column without the values of which Python has no equal: infinite days are NULL."""
    if kind == "TIMESTAMP_NS":
        return f"case when isfinite({quoted}) then replace({quoted}::varchar, ' ', 'T') end"
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"case when isfinite({quoted}) then {quoted} end"
    return f"{quoted}::varchar" if AS_TEXT.fullmatch(kind) else quoted


def _for_arrow(found: DuckDBPyRelation) -> DuckDBPyRelation:
    columns = []
    for name, kind in zip(found.columns, found.types, strict=True):
        quoted = identifier(str(name))
        is_kept = IN_ARROW.fullmatch(str(kind)) is not None
        columns.append(quoted if is_kept else f"{quoted}::varchar as {quoted}")
    return found.project(", ".join(columns))


def _csv(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> bytes:
    lines = [",".join(_field(name) for name in names)]
    lines.extend(",".join(_field(value) for value in row) for row in rows)
    return ("\r\n".join(lines) + "\r\n").encode()


def _field(value: str | None) -> str:
    if value is None:
        return ""
    if value and not set(value) & set(',"\r\n'):
        return value
    return '"' + value.replace('"', '""') + '"'


def _json(
    names: Sequence[str],
    others: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    extra: Mapping[str, Any],
) -> bytes:
    # `others` are the columns whose values are made plain first
    found = [dict(zip(names, row, strict=True)) for row in rows]
    try:
        for row in found:
            for name in others:
                row[name] = plain(row[name])
    except RecursionError as error:
        raise Refused(400, "a value nests too deeply", "select its parts") from error
    return msgspec.json.encode({**extra, "rows": found})


def plain(value: Any) -> Any:
    """Return a value of a row as JSON can hold it without a loss."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= LARGEST_NUMBER else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
        case dict():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return str(value)
