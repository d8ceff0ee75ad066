"""
Whose a symbol is: the calendar it has in all that was delivered and recorded.

A symbol is of one calendar, or rupees and dollars are one series. What another calendar already has
is refused until one of the two is named apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from duckbourse.errors import BadInput
from duckbourse.ingest.identity import SEED
from duckbourse.ingest.store import Delivered, RawStore, owners_of
from duckbourse.warehouse import quoted

# Symbols that a refusal names.
NAMED = 5


@dataclass(frozen=True)
class Owner:
    """A calendar that has a symbol, and what it came with."""

    calendar: str
    source: str
    origin: str


class Owners:
    """The symbols of each calendar, asked for once a run and only where calendars differ."""

    def __init__(self, con: duckdb.DuckDBPyConnection, store: RawStore) -> None:
        self._con = con
        self._store = store
        self._delivered: dict[str, dict[str, Owner]] = {}
        self._recorded: dict[str, dict[str, Owner]] | None = None

    def add(self, written: Delivered, symbols: Iterable[str]) -> None:
        """Take in what was just delivered."""
        known = self._delivered.get(written.calendar)
        if known is not None:
            known |= dict.fromkeys(symbols, owner_of(written))

    def refuse_others(
        self,
        known: list[Delivered],
        symbols: frozenset[str],
        calendar: str,
        source: str,
        file: str,
    ) -> None:
        """Raise BadInput where another calendar has one of these symbols; `known` is delivered."""
        for other in {one.calendar for one in known} - {calendar}:
            if other not in self._delivered:
                of_calendar = [one for one in known if one.calendar == other]
                owners_there = owners_of(self._con, of_calendar)
                self._delivered[other] = {
                    symbol: owner_of(one) for symbol, one in owners_there.items()
                }
        if self._recorded is None:
            self._recorded = self._in_recordings()
        for owners in (self._delivered, self._recorded):
            for other in sorted(owners.keys() - {calendar}):
                if taken := sorted(symbols & owners[other].keys()):
                    raise taken_by(owners[other][taken[0]], taken, calendar, source, file)

    def _in_recordings(self) -> dict[str, dict[str, Owner]]:
        found: defaultdict[str, dict[str, Owner]] = defaultdict(dict)
        for calendar, source, session, symbols in recordings(self._con, self._store):
            owner = Owner(calendar, source, f"ticks recorded on {session}")
            found[calendar] |= dict.fromkeys(symbols, owner)
        return dict(found)


def owner_of(one: Delivered) -> Owner:
    """Return a delivery as the owner of its symbols."""
    return Owner(one.calendar, one.source, one.source_file)


def recordings(
    con: duckdb.DuckDBPyConnection, store: RawStore
) -> list[tuple[str, str, str, list[str]]]:
    """Return calendar, source, session and symbols of each recording of ticks beside the store."""
    # all segments that a process made have the same symbols: one of them tells
    segments = {
        (segment.parent, *segment.stem.rsplit("-", 3)[::2]): segment
        for segment in (store.root / "ticks").glob("*/*.parquet")
    }
    if not segments:
        return []
    told = con.execute(
        "select file_name, map_from_entries(list((key::blob::varchar, decode(value))))"
        f" from parquet_kv_metadata([{', '.join(map(quoted, segments.values()))}])"
        " group by file_name"
    ).fetchall()
    return [
        (said["calendar"], said["source"], file.split("/")[-2], json.loads(said["symbols"]))
        for file, said in told
        if "symbols" in said
    ]


def taken_by(owner: Owner, taken: list[str], calendar: str, source: str, file: str) -> BadInput:
    """Return the refusal of a file whose symbols another calendar has."""
    named = ", ".join(taken[:NAMED])
    if len(taken) > NAMED:
        named += f" and {len(taken) - NAMED:,} more"
    return BadInput(
        f"{file}: {named} {'are' if len(taken) > 1 else 'is'} of {calendar} here (source {source})"
        f" and of {owner.calendar} in the store ({taken[0]}: source {owner.source},"
        f" {owner.origin}); a symbol is of one calendar",
        f"name them apart: --symbol-prefix {calendar}: for all of this file, or a line for each in"
        f" {SEED}, such as {source},{taken[0]},{calendar}:{taken[0]}",
    )
