"""Pages of rows in the order of a key: each begins after the last row of the one before."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import duckdb
import msgspec
from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation, Expression

from duckbourse.api.problems import Refused

# what a value that does not fit its column raises
CONVERSIONS = (
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
)
OF_ANOTHER = "the cursor is of another resource"
REMEDY = "omit it, or follow the Link header of the page before"


def opaque(resource: str, key: Sequence[str]) -> str:
    """Return a cursor: where a page of a resource ends. It holds in later publications too."""
    text = msgspec.json.encode([resource, *key])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def key_in(cursor: str, resource: str) -> list[str]:
    """Return the key in a cursor; raise Refused if it is none, or of another resource."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        words = msgspec.json.decode(
            base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True), type=list[str]
        )
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise Refused(400, "the cursor is none of this server", REMEDY) from error
    if words[:1] != [resource]:
        raise Refused(400, OF_ANOTHER, REMEDY)
    return words[1:]


def after(
    found: DuckDBPyRelation, key: Sequence[str], values: Sequence[str] | None, *, descends: bool
) -> DuckDBPyRelation:
    """Return a relation in the order of a key, from behind these values of it."""
    if values is not None:
        if len(values) != len(key):
            raise Refused(400, OF_ANOTHER, REMEDY)
        kinds = dict(zip(found.columns, found.types, strict=True))
        constants = [
            ConstantExpression(value).cast(kinds[name])
            for name, value in zip(key, values, strict=True)
        ]
        try:
            found = found.filter(_behind(key, constants, descends=descends))
        except CONVERSIONS as error:  # or when rows are asked for
            raise Refused(400, OF_ANOTHER, REMEDY) from error
    columns = [ColumnExpression(name) for name in key]
    return found.sort(*(each.desc() if descends else each.asc() for each in columns))


def _behind(key: Sequence[str], constants: Sequence[Expression], *, descends: bool) -> Expression:
    column, constant = ColumnExpression(key[0]), constants[0]
    beyond = column < constant if descends else column > constant
    if len(key) == 1:
        return beyond
    # the first condition lets DuckDB skip blocks
    at_least = column <= constant if descends else column >= constant
    return at_least & (beyond | _behind(key[1:], constants[1:], descends=descends))
