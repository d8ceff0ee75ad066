"""
The calendar of each symbol, over all deliveries and recordings that builds read.

A symbol belongs to one calendar, or rupees and dollars would form one series. A symbol that another
calendar already has is refused until one of the two is renamed or the other is withdrawn.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import duckdb

from duckbourse.errors import BadInput
from duckbourse.ingest.deliveries import Listed, beside_others, withdrawal_of
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.identity import SEED
from duckbourse.ingest.store import Delivered, RawStore, owners_of, symbols_of
from duckbourse.ingest.withdrawals import Withdrawn, withdrawn
from duckbourse.settings import settings
from duckbourse.warehouse import quoted

# The number of symbols that an error names.
NAMED = 5


@dataclass(frozen=True)
class Owner:
    """A calendar that has a symbol, and the delivery it came with; `name` is the delivery's."""

    calendar: str
    source: str
    origin: str
    name: str


@dataclass(frozen=True)
class Taken:
    """
    Symbols that belong to another calendar, sorted.

    `owner` is that of the first; `names` are all deliveries to withdraw to free the symbols.
    """

    symbols: Sequence[str]
    owner: Owner
    names: Sequence[str]

    def describe(self, calendar: str, source: str) -> str:
        """Describe the conflict with a file of this calendar and source."""
        named = ", ".join(self.symbols[:NAMED])
        if len(self.symbols) > NAMED:
            named += f" and {len(self.symbols) - NAMED:,} more"
        return (
            f"{named} {'are' if len(self.symbols) > 1 else 'is'} in {calendar} here (source"
            f" {source}) and in {self.owner.calendar} in the store ({self.symbols[0]}: source"
            f" {self.owner.source}, {self.owner.origin}); a symbol belongs to one calendar"
        )


class Owners:
    """
    The symbols of each calendar, read once per run and only if calendars differ.

    `gone` are the withdrawn deliveries. A withdrawn recording still owns its symbols if
    it has later ticks.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, store: RawStore, gone: Mapping[str, Withdrawn]
    ) -> None:
        self._con = con
        self._store = store
        self._gone = gone
        self._delivered: dict[str, dict[str, Owner]] = {}

    def add(self, written: Delivered, symbols: Iterable[str]) -> None:
        """Add a new delivery."""
        known = self._delivered.get(written.calendar)
        if known is not None:
            known |= dict.fromkeys(symbols, owner_of(written))

    def refuse_others(
        self,
        known: list[Delivered],
        symbols: frozenset[str],
        calendar: str,
        source: str,
        file: VendorFile,
    ) -> None:
        """Raise BadInput if another calendar has one of these symbols; `known` are deliveries."""
        if taken := self.taken(known, symbols, calendar):
            remedy = (
                f"rename them: --symbol-prefix {calendar}: for all symbols of this file, or a line"
                f" for each in {SEED}, such as {source},{taken.symbols[0]},{calendar}:"
                f"{taken.symbols[0]}"
            )
            # the command cannot withdraw from a store elsewhere
            if self._store.root == settings().raw:
                remedy = (
                    f"if {taken.owner.calendar} is the mistake, withdraw that:"
                    f" {withdrawal_of(taken.names)}; else {remedy}"
                )
            raise BadInput(f"{file}: {taken.describe(calendar, source)}", remedy)

    def taken(self, known: list[Delivered], symbols: Set[str], calendar: str) -> Taken | None:
        """Return which of these symbols another calendar has, in `known` or in recordings."""
        for other in {one.calendar for one in known} - {calendar}:
            if other not in self._delivered:
                of_calendar = [one for one in known if one.calendar == other]
                owners_there = owners_of(self._con, of_calendar)
                self._delivered[other] = {
                    symbol: owner_of(one) for symbol, one in owners_there.items()
                }
        for owners in (self._delivered, self._recorded):
            for other in sorted(owners.keys() - {calendar}):
                if taken := sorted(symbols & owners[other].keys()):
                    names = self._names(known, symbols, calendar)
                    return Taken(taken, owners[other][taken[0]], names)
        return None

    @cached_property
    def recordings(self) -> list[tuple[Owner, frozenset[str]]]:
        """The recordings of ticks in the store, with their symbols."""
        return recordings(self._con, self._store, self._gone)

    @cached_property
    def _recorded(self) -> dict[str, dict[str, Owner]]:
        found: defaultdict[str, dict[str, Owner]] = defaultdict(dict)
        for owner, symbols in self.recordings:
            found[owner.calendar] |= dict.fromkeys(symbols, owner)
        return dict(found)

    def _names(self, known: list[Delivered], symbols: Set[str], calendar: str) -> list[str]:
        others = [one for one in known if one.calendar != calendar]
        listed = symbols_of(self._con, others)
        names = []
        for one in others:
            its = listed[one.delivery]
            if not symbols.isdisjoint(owners_of(self._con, [one]) if its is None else its):
                names.append(one.delivery)
        for owner, its in self.recordings:
            if owner.calendar != calendar and not symbols.isdisjoint(its):
                names.append(owner.name)
        return list(dict.fromkeys(names))


def owner_of(one: Delivered) -> Owner:
    """Return a delivery as the owner of its symbols."""
    return Owner(one.calendar, one.source, one.source_file, one.delivery)


def recordings(
    con: duckdb.DuckDBPyConnection, store: RawStore, gone: Mapping[str, Withdrawn]
) -> list[tuple[Owner, frozenset[str]]]:
    """Return the recordings of a store that builds read, as owners with their symbols."""
    read = read_segments(con, list((store.root / "ticks").glob("*/*.parquet")), gone)
    # all segments of one process have the same symbols, so one of them is enough
    segments = {(one.parent, *one.stem.rsplit("-", 3)[::2]): one for one in read}
    if not segments:
        return []
    found = con.execute(
        "select file_name, map_from_entries(list((key::blob::varchar, decode(value))))"
        f" from parquet_kv_metadata([{', '.join(map(quoted, segments.values()))}])"
        " group by file_name order by file_name"
    ).fetchall()
    recorded = []
    for file, metadata in found:
        if "symbols" in metadata:
            name = recording_of(Path(file))
            origin = f"ticks recorded on {name.rsplit('@', 1)[1]}"
            owner = Owner(metadata["calendar"], metadata["source"], origin, name)
            recorded.append((owner, frozenset(json.loads(metadata["symbols"]))))
    return recorded


def read_segments(
    con: duckdb.DuckDBPyConnection, segments: Sequence[Path], gone: Mapping[str, Withdrawn]
) -> list[Path]:
    """Return the segments that builds read: all, or those after a recording's withdrawal."""
    asked = [one for one in segments if recording_of(one) in gone]
    until: dict[str, datetime] = {}
    if asked:
        until = dict(
            con.execute(
                "select filename, max(recorded_until) from read_parquet("
                f"[{', '.join(map(quoted, asked))}], filename = true, hive_partitioning = false)"
                " group by filename"
            ).fetchall()
        )
    return [
        one
        for one in segments
        if (name := recording_of(one)) not in gone
        or until.get(str(one), datetime.min) > gone[name].at
    ]


def recording_of(segment: Path) -> str:
    """Return the name of a segment's recording in `./bourse deliveries`."""
    return f"{segment.stem.rsplit('-', 3)[0]}@{segment.parent.name}"


def refuse_two_calendars(
    con: duckdb.DuckDBPyConnection,
    store: RawStore,
    beside: Iterable[RawStore],
    asked: Sequence[Listed],
) -> None:
    """Raise BadInput if reinstating these would put a symbol in two calendars."""
    by_name = {one.delivery: one for one in asked}
    gone = {name: one for name, one in withdrawn(con, store).items() if name not in by_name}
    known = [
        one for each in (store, *beside) for one in each.catalog(con) if one.delivery not in gone
    ]
    owners = Owners(con, store, gone)
    recorded = {owner.calendar for owner, _ in owners.recordings}
    if len({one.calendar for one in known} | recorded) < 2:
        return
    delivered = [one for one in known if one.delivery in by_name]
    named = symbols_of(con, delivered)
    brought: list[tuple[str, Set[str]]] = []
    for one in delivered:
        its = named[one.delivery]
        brought.append((one.delivery, owners_of(con, [one]).keys() if its is None else its))
    brought += [(owner.name, its) for owner, its in owners.recordings if owner.name in by_name]
    for name, symbols in brought:
        asking = by_name[name]
        if taken := owners.taken(known, symbols, asking.calendar):
            raise BadInput(
                f"{asking.id} cannot be reinstated:"
                f" {taken.describe(asking.calendar, asking.source)}",
                beside_others(taken.names, by_name),
            )
