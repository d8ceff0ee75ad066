"""Pages of rows in the order of a key: each begins after the last row of the one before."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence

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


def opaque(resource: str, key: Sequence[str | None]) -> str:
    """Return a cursor: where a page of a resource ends. It holds in later publications too."""
    text = msgspec.json.encode([resource, *key])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def key_in(cursor: str, resource: str) -> list[str | None]:
    """Return the key in a cursor; raise Refused if it is none, or of another resource."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        words = msgspec.json.decode(
            base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True),
            type=list[str | None],
        )
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise Refused(400, "the cursor is not one of this server", REMEDY) from error
    if words[:1] != [resource]:
        raise Refused(400, OF_ANOTHER, REMEDY)
    return words[1:]


def after(
    found: DuckDBPyRelation,
    key: Sequence[str],
    values: Sequence[str | None] | None,
    *,
    descends: bool,
    nullable: Collection[str] = (),
) -> DuckDBPyRelation:
    """
    Return a relation in the order of a key, from behind these values of it.

    NULL comes before all other values of a column of the key that is `nullable`.
    """
    if values is not None:
        if len(values) != len(key):
            raise Refused(400, OF_ANOTHER, REMEDY)
        kinds = dict(zip(found.columns, found.types, strict=True))
        constants = [
            ConstantExpression(value).cast(kinds[name])
            for name, value in zip(key, values, strict=True)
        ]
        try:
            found = found.filter(
                _behind(key, constants, values, descends=descends, nullable=nullable)
            )
        except CONVERSIONS as error:  # or when rows are asked for
            raise Refused(400, OF_ANOTHER, REMEDY) from error
    columns = [ColumnExpression(name) for name in key]
    return found.sort(
        *(each.desc().nulls_last() if descends else each.asc().nulls_first() for each in columns)
    )


def _behind(
    key: Sequence[str],
    constants: Sequence[Expression],
    values: Sequence[str | None],
    *,
    descends: bool,
    nullable: Collection[str],
) -> Expression:
    column, constant = ColumnExpression(key[0]), constants[0]
    beyond = column < constant if descends else column > constant
    # the first condition lets DuckDB skip blocks
    at_least = column <= constant if descends else column >= constant
    if key[0] in nullable:
        if values[0] is None:
            beyond = ConstantExpression(False) if descends else column.isnotnull()
            at_least = column.isnull() if descends else ConstantExpression(True)
        elif descends:
            beyond, at_least = beyond | column.isnull(), at_least | column.isnull()
    if len(key) == 1:
        return beyond
    return at_least & (
        beyond | _behind(key[1:], constants[1:], values[1:], descends=descends, nullable=nullable)
    )
