"""One ingest: each file is read, inferred and delivered, independently of the others."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Protocol

import duckdb

from duckbourse.errors import (
    BadInput,
    BourseError,
    BrokenRule,
    ConfigurationError,
    NoRows,
    NotBars,
    UnreadableRows,
)
from duckbourse.ingest.bars import (
    Bars,
    conflict_error,
    make_bars,
    revised,
    write_bars,
    write_manifest,
    write_unreadable,
)
from duckbourse.ingest.deliveries import withdrawal_of
from duckbourse.ingest.files import Found, VendorFile, is_archive, members, walked
from duckbourse.ingest.identity import (
    SEED,
    calendar_of_exchanges,
    rename_symbols,
    suffixed_elsewhere,
    vendor_symbols,
)
from duckbourse.ingest.inference.columns import Role, infer_roles, normalized
from duckbourse.ingest.inference.layout import Layout, infer_layout
from duckbourse.ingest.inference.symbols import infer_symbol
from duckbourse.ingest.options import Options
from duckbourse.ingest.owners import Owners
from duckbourse.ingest.redelivery import delivered_before, overruled
from duckbourse.ingest.rejections import to_be_rejected
from duckbourse.ingest.rows import Rows, read_rows
from duckbourse.ingest.schema import Kind
from duckbourse.ingest.store import MANIFEST, NO_SPACE, Delivered, RawStore, symbols_of
from duckbourse.ingest.tables import FILE_NAME, VendorTable, storage_full, vendor_table
from duckbourse.ingest.withdrawals import STEP, Withdrawn, again, withdrawn
from duckbourse.settings import settings
from duckbourse.warehouse import is_full, quoted

# A file's progress after its rows are typed, its layout is inferred and its bars are written.
READ, INFERRED, WRITTEN = 0.5, 0.6, 1.0
WATCHED_BYTES = 1 << 24
# Deliveries of one command have the instant at which it began, plus a microsecond each if they
# share bars. Deliveries closer together than AT_ONCE belong to one instant.
AT_ONCE = timedelta(seconds=1)
WATCH_SECONDS = 0.2
LOOK_INTO = "list its content with tar tf, or unzip -l for a .zip"


class Outcome(StrEnum):
    """The outcome for a file."""

    DELIVERED = "delivered"
    WOULD_DELIVER = "would deliver"
    ALREADY_THERE = "already there"
    WITHDRAWN = "withdrawn"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """The outcome for a file, its row counts, and what was inferred about it and why."""

    file: str
    outcome: Outcome
    delivery: str | None = None
    kind: str | None = None
    source: str | None = None
    calendar: str | None = None
    bar_label: str | None = None
    rows_read: int = 0
    rows_kept: int = 0
    rows_unreadable: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_revised: int = 0
    symbol_count: int = 0
    first_session_date: date | None = None
    last_session_date: date | None = None
    notes: tuple[str, ...] = ()
    columns_left: tuple[str, ...] = ()
    # roles without a column, with the unused columns that may be it
    columns_missed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # for a file of one symbol, and where it was found
    symbol: str | None = None
    symbol_from: str | None = None
    # why rows are unreadable, and why the build will reject bars
    unreadable: tuple[BrokenRule, ...] = ()
    rejected: tuple[BrokenRule, ...] = ()
    # for a file delivered before: later deliveries that override some of its bars
    overruled_by: tuple[str, ...] = ()
    bars_overruled: int = 0
    remedy: str = ""
    error: BourseError | None = field(default=None, repr=False, compare=False)


class Progress(Protocol):
    """Receives the progress of an ingest, in bytes of the files found."""

    def begin(self, total: int) -> None: ...

    def at(self, file: str, done: float) -> None: ...


class Silent:
    """Ignores progress."""

    def begin(self, total: int) -> None:
        """Do nothing."""

    def at(self, file: str, done: float) -> None:
        """Do nothing."""


def ingest(
    paths: list[Path],
    options: Options,
    store: RawStore,
    delivered_at: datetime,
    *,
    dry_run: bool = False,
    redeliver: bool = False,
    progress: Progress | None = None,
    beside: tuple[RawStore, ...] = (),
) -> Iterator[Report]:
    """
    Deliver the files of these paths into the store, and yield a report for each.

    What a store in `beside`, which builds read as well, already holds is not delivered again, and
    what was withdrawn only with `redeliver`. A bad file does not stop the others, and among those
    of a folder or an archive, one without bars is only skipped. StorageFull and StoreBusy are
    raised; the same command, run again, continues from there.
    """
    found = walked(paths)
    files = found.files
    for path, why in found.skipped.items():
        name = str(path) if path.is_dir() else path.name
        yield Report(name, Outcome.SKIPPED, notes=(why,))
    for path, error in found.wrong.items():
        yield failed(str(path), error)
    if not files:
        return
    watcher = progress or Silent()
    watcher.begin(sum(file.stat().st_size for file in files))
    with connection(store, dry_run) as (con, scratch), wrap_full_disk(store.root):
        job = Job(
            con,
            store,
            scratch,
            options,
            delivered_at.astimezone(UTC),
            dry_run,
            redeliver,
            watcher,
            beside,
        )
        without_bars = {folder for folder in files.values() if folder is not None}
        for path, folder in files.items():
            for report in job.delivered(path, folder):
                if report.outcome is not Outcome.SKIPPED:
                    without_bars.discard(folder or path)
                yield report
        for folder in sorted(without_bars):
            none = NotBars(
                f"{folder} holds no file with bars",
                "name a file that has a close, or name its columns in a mapping",
            )
            yield failed(str(folder), none)


@contextmanager
def connection(store: RawStore, dry_run: bool) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield DuckDB with our settings, and a scratch folder, both removed afterwards."""
    con = duckdb.connect()
    with wrap_full_disk(store.root):
        try:
            with store.reading() if dry_run else store.writing(con) as scratch:
                chosen = {
                    "threads": settings().threads,
                    "memory_limit": quoted(settings().memory_limit),
                    "temp_directory": quoted(scratch / "spill"),
                    "preserve_insertion_order": "true",
                    "TimeZone": "'UTC'",
                    # queried, not printed
                    "enable_progress_bar": "true",
                    "enable_progress_bar_print": "false",
                }
                for name, value in chosen.items():
                    con.execute(f"set {name} = {value}")
                yield con, scratch
        finally:
            con.close()


@contextmanager
def wrap_full_disk(where: Path) -> Iterator[None]:
    """Turn every error of a full disk into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise storage_full(error, where) from error
        raise
    except duckdb.Error as error:
        if is_full(str(error)):
            raise storage_full(error, where) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise ConfigurationError(
                f"the memory limit is too low: {error}".splitlines()[0],
                "raise BOURSE_MEMORY_LIMIT, or split the file into smaller ones",
            ) from error
        raise


def failed(file: str, error: BourseError) -> Report:
    """Return the report of a file that could not be delivered."""
    broken = error.broken if isinstance(error, UnreadableRows) else ()
    return Report(
        file,
        Outcome.FAILED,
        notes=(str(error),),
        unreadable=broken,
        remedy=error.remedy,
        error=error,
    )


def with_symbol(table: VendorTable) -> VendorTable:
    """
    Return the table with the symbol of all its rows, None if each row has its own.

    Raise BadInput if the pattern does not match the file's name, if the stated symbol is not the
    file's, or if there is no symbol.
    """
    file, options = table.file, table.file.options
    stated, stated_by = options.symbol, "as stated"
    if options.symbol_pattern and not stated:
        match = re.search(options.symbol_pattern, file.stem)
        if match is None or not match["symbol"]:
            raise BadInput(
                f"{file}: symbol_pattern {options.symbol_pattern!r} finds no symbol in"
                f" {file.stem!r}",
                "correct symbol_pattern in the mapping, or pass --symbol",
            )
        stated, stated_by = match["symbol"], "symbol_pattern"
    if stated:
        if table.symbol and not is_same_symbol(stated, table.symbol):
            source = options.source or file.stem
            raise BadInput(
                f"{file} has the symbol {table.symbol} according to its {table.symbol_from},"
                f" not {stated} as {stated_by.removeprefix('as ')}",
                "leave the symbol out; if both are the same, also add the line"
                f" {source},{table.symbol},{stated} to {SEED}",
            )
        return replace(table, symbol=stated, symbol_from=stated_by)
    if table.symbol:
        return replace(table, symbol_from=f"its {table.symbol_from}")
    try:
        if Role.SYMBOL in infer_roles(list(table.columns), options.columns):
            return table
    except KeyError:
        # reported later, with the list of columns
        return table
    symbol = infer_symbol(file.stem)
    if symbol is None:
        raise BadInput(
            f"{file}: it has no symbol, and {file.stem!r} is not one",
            "pass --symbol, set columns.symbol = '…' in a mapping, or name the file by its symbol",
        )
    return replace(table, symbol=symbol, symbol_from=FILE_NAME)


def is_same_symbol(stated: str, reported: str) -> bool:
    """Return whether two names may mean one symbol: RELIANCE, RELIANCE.NS, NSE:RELIANCE."""
    parts = (reported, *re.split(r"[.:/\s-]", reported))
    return normalized(stated) in map(normalized, parts) or normalized(reported) in map(
        normalized, re.split(r"[.:/\s-]", stated)
    )


def missed_columns(rows: Rows, layout: Layout, bars: Bars) -> dict[str, tuple[str, ...]]:
    """Return the roles that these bars lack, with the unused columns that look like them."""
    wanted = {Role.VOLUME, Role.SYMBOL, Role.EXCHANGE}
    if layout.kind is Kind.MINUTE:
        wanted.add(Role.BAR_LABEL)
    elif bars.duplicate:
        # a repeated day may be two times of that day
        wanted.add(Role.TIME)
    return {role.value: found for role, found in rows.columns.missed.items() if role in wanted}


@dataclass
class Job:
    """One run over files: its store, its tools, and the deliveries to date."""

    con: duckdb.DuckDBPyConnection
    store: RawStore
    scratch: Path
    options: Options
    delivered_at: datetime
    dry_run: bool
    redeliver: bool
    progress: Progress
    beside: tuple[RawStore, ...] = ()
    bytes_before: float = 0
    catalog: list[Delivered] | None = None
    # symbols by delivery, once read; None if a delivery does not list them
    symbols: dict[str, frozenset[str] | None] = field(default_factory=dict)
    owners: Owners = field(init=False)

    def __post_init__(self) -> None:
        self.owners = Owners(self.con, self.store, self.withdrawn)

    def delivered(self, path: Path, folder: Path | None = None) -> Iterator[Report]:
        """Yield the report for a file, perhaps one of a folder, or for each file of an archive."""
        size = path.stat().st_size
        if not is_archive(path):
            yield self.report(Found(path, path.name, size, in_folder=folder is not None))
        else:
            yield from self.of_archive(path)
        self.bytes_before += size
        self.progress.at(path.name, self.bytes_before)

    def of_archive(self, archive: Path) -> Iterator[Report]:
        """Yield a report for each file of an archive; it fails if none holds bars."""
        bars = False
        try:
            for member in members(archive, self.scratch):
                report = self.report(member)
                bars |= report.outcome is not Outcome.SKIPPED
                yield report
        except BadInput as error:
            yield failed(archive.name, error)
            return
        if not bars:
            none = NotBars(f"{archive.name} holds no file with bars", LOOK_INTO)
            yield failed(archive.name, none)

    def report(self, found: Found) -> Report:
        """Deliver one file, or report why not."""
        self.progress.at(found.name, self.bytes_before)
        if found.skipped_because:
            return Report(found.name, Outcome.SKIPPED, notes=(found.skipped_because,))
        try:
            return self.deliver(found)
        except NotBars as error:
            # a drop also holds files without bars; an empty one may be the vendor's fault, but in
            # an archive it comes every time
            if found.in_archive or (found.in_folder and not isinstance(error, NoRows)):
                return Report(found.name, Outcome.SKIPPED, notes=(str(error),))
            return failed(found.name, error)
        except BadInput as error:
            return failed(found.name, error)
        except OSError as error:
            if error.errno in NO_SPACE or is_full(str(error)):
                raise
            reason = BadInput(
                f"{found.name} could not be delivered: {error.strerror or error}",
                "check the permissions of the file and of the raw store",
            )
            return failed(found.name, reason)

    def deliver(self, found: Found) -> Report:
        """Read a file and write its delivery, unless it is there already."""
        file = VendorFile(found.path, found.name, self.options, self.delivered_at, self.scratch)
        source = self.options.source or file.stem
        names = vendor_symbols(source)
        first_name = self.name(file, source)
        if names and (held := [one for one in self.known() if one.delivery == first_name]):
            # it was delivered before the seed renamed one of its symbols
            symbols = symbols_of(self.con, held)[first_name]
            renamed = {one: names[one] for one in names if symbols is None or one in symbols}
            first_name = self.name(file, source, renamed)
        delivery, gone = first_name, None
        while delivery in self.withdrawn:
            delivery, gone = again(delivery), delivery
        if any(store.holds(delivery) for store in (self.store, *self.beside)):
            return self.already_there(file, source, delivery)
        if gone and not self.redeliver:
            return self.left_withdrawn(file, source, gone)
        table = with_symbol(vendor_table(self.con, file))
        with self.watched(found):
            rows = read_rows(self.con, table)
        self.part(found, READ)
        earlier = [one for one in self.known() if one.source == source]
        before = earlier[-1].calendar if earlier else None
        roles = rows.columns.roles
        exchange_calendar = calendar_of_exchanges(self.con, roles, rows.columns.unused, file)
        layout = infer_layout(self.con, rows, exchange_calendar, before)
        renamings = rename_symbols(
            self.con, rows.table, roles, layout.calendar.name, self.options, names
        )
        bars = make_bars(self.con, self.store, rows, layout)
        if bars.conflict and not self.options.last_row_wins:
            raise conflict_error(bars.conflict, rows)
        self.owners.refuse_others(
            [*self.known(), *self.known_beside],
            bars.symbols,
            layout.calendar.name,
            source,
            file,
        )
        self.part(found, INFERRED)
        near = self.near(
            bars, [*earlier, *(one for one in self.known_beside if one.source == source)]
        )
        same = delivered_before(self.con, rows, layout, bars, self.alike(bars, near))
        if same:
            note = (
                f"its bars are those of delivery {same.delivery}, which came as {same.source_file}"
                f" on {same.delivered_at:%Y-%m-%d}"
            )
            return self.already_there(file, source, same.delivery, note)
        if not self.redeliver:
            left = [one for one in self.known_withdrawn if one.source == source]
            left = self.alike(bars, self.near(bars, left))
            if same := delivered_before(self.con, rows, layout, bars, left):
                return self.left_withdrawn(file, source, same.delivery)
        notes = [*table.notes, *rows.notes, *layout.notes, *renamings]
        if table.adjusted and layout.kind is not Kind.ADJUSTED_CLOSE:
            notes.append(
                f"its prices are adjusted {table.adjusted}, but the build adjusts prices itself:"
                " ask the vendor for unadjusted prices, or leave these events out of"
                " seeds/reference/corporate_actions.csv"
            )
        notes += suffixed_elsewhere(bars.symbols, layout.calendar.name)
        if bars.conflict:
            count = bars.conflict.others + 1
            notes.append(f"{count:,} bars appear again with other values: the last row counts")
        if delivery != first_name:
            since = self.withdrawn[first_name].at
            notes.append(f"delivered again: its earlier delivery was withdrawn on {since:%Y-%m-%d}")
        missed = missed_columns(rows, layout, bars)
        for role, alike_columns in missed.items():
            notes.append(
                f"no {role} column was used, but {' and '.join(alike_columns)} may be it: set"
                f" columns.{role} = '{alike_columns[0]}' in a mapping (or '' if there is none)"
            )
        column = roles.get(Role.SYMBOL)
        if self.options.symbol and column:
            notes.append(f"symbol {self.options.symbol} as stated, instead of column {column}")
        held = [one for one in near if one.root == self.store.root]
        rows_revised, revision = revised(self.con, bars, held)
        if revision:
            notes.append(revision)
        moment = self.moment(bars)
        rejected = to_be_rejected(self.con, rows, layout, bars, moment)
        manifest: dict[str, object] = {
            "delivery": delivery,
            "kind": layout.kind.value,
            "source": source,
            "source_file": file.name,
            "calendar": layout.calendar.name,
            "timezone": layout.calendar.timezone,
            "bar_label": layout.bar_label,
            "delivered_at": moment,
            "rows_read": rows.read,
            "rows_kept": rows.kept,
            "rows_unreadable": rows.unreadable,
            "rows_duplicate": bars.duplicate,
            "rows_revised": rows_revised,
            "symbol_count": len(bars.symbols),
            "first_session": bars.first_session,
            "last_session": bars.last_session,
        }
        report = Report(
            file=file.name,
            outcome=Outcome.WOULD_DELIVER,
            notes=tuple(notes),
            columns_left=rows.columns.unused,
            columns_missed=missed,
            symbol=table.symbol,
            symbol_from=table.symbol_from,
            unreadable=rows.broken,
            rejected=rejected,
            rows_rejected=sum(one.count for one in rejected),
            first_session_date=bars.first_session,
            last_session_date=bars.last_session,
            **{name: manifest[name] for name in SHARED},  # type: ignore[arg-type]
        )
        if self.dry_run:
            return report
        folder = self.store.incoming / delivery
        write_bars(
            self.con,
            folder,
            bars,
            manifest,
            lambda done: self.part(found, INFERRED + (WRITTEN - INFERRED) * done),
        )
        if rows.unreadable:
            write_unreadable(self.con, folder, rows, manifest)
        write_manifest(self.con, folder, manifest, bars.symbols)
        self.store.commit(delivery)
        facts = {name: manifest[name] for name in MANIFEST}
        written = Delivered(root=self.store.root, **facts)  # type: ignore[arg-type]
        self.known().append(written)
        self.symbols[delivery] = bars.symbols
        self.owners.add(written, bars.symbols)
        return replace(report, outcome=Outcome.DELIVERED)

    def already_there(self, file: VendorFile, source: str, delivery: str, *notes: str) -> Report:
        """Return the report for a file delivered before, with the deliveries that override it."""
        report = Report(file.name, Outcome.ALREADY_THERE, delivery, source=source, notes=notes)
        known = [*self.known(), *self.known_beside]
        held = next((one for one in known if one.delivery == delivery), None)
        less = overruled(self.con, held, known) if held else None
        if less is None:
            return report
        last = less.by[0]
        many = f" and {len(less.by) - 1:,} more" if len(less.by) > 1 else ""
        note = (
            f"{less.bars:,} of its bars are overridden by a later delivery of {source}:"
            f" {last.delivery} ({last.source_file}, of {last.delivered_at:%Y-%m-%d}){many}"
        )
        remedy = ""
        # the command cannot withdraw from a store elsewhere
        if self.store.root == settings().raw:
            remedy = withdrawal_of([one.delivery for one in less.by])
            note += f"; to use the bars of this file again: {remedy}"
        return replace(
            report,
            notes=(*notes, note),
            overruled_by=tuple(one.delivery for one in less.by),
            bars_overruled=less.bars,
            remedy=remedy,
        )

    def left_withdrawn(self, file: VendorFile, source: str, delivery: str) -> Report:
        """Return the report for a file whose delivery somebody has withdrawn."""
        gone = self.withdrawn[delivery]
        because = f" because of {' '.join(gone.reason.split())!r}" if gone.reason else ""
        note, remedy = f"withdrawn on {gone.at:%Y-%m-%d}{because}", ""
        # the command cannot reinstate it in a store elsewhere
        if self.store.root == settings().raw:
            remedy = f"`./bourse deliveries reinstate {delivery}`"
            note += f"; {remedy} brings it back"
        return Report(
            file.name, Outcome.WITHDRAWN, delivery, source=source, notes=(note,), remedy=remedy
        )

    def moment(self, bars: Bars) -> datetime:
        """
        Return when these bars became known, in UTC without a zone: as stated, plus a
        microsecond for each delivery of that instant that shares some of them, so that the later
        one counts.
        """
        first = self.delivered_at.replace(tzinfo=None)
        at_once = [
            one
            for one in [*self.known(), *self.known_beside]
            if first <= one.delivered_at < first + AT_ONCE
        ]
        shared = [one.delivered_at for one in self.near(bars, at_once)]
        return max(shared) + STEP if shared else first

    @contextmanager
    def watched(self, found: Found) -> Iterator[None]:
        """Report DuckDB's progress on large files."""
        if found.weight < WATCHED_BYTES:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            most = 0.0
            while not over.wait(WATCH_SECONDS):
                most = max(most, self.con.query_progress() / 100)
                self.part(found, READ * most)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def name(self, file: VendorFile, source: str, renamed: dict[str, str] | None = None) -> str:
        """
        Return the delivery's name, a hash of the file's content and of what was stated about it.

        `renamed` are symbols of the file that the seed has renamed since it was delivered.
        """
        digest = hashlib.sha256()
        for block in file.blocks():
            digest.update(block)
        # two files with the same prices are two symbols if the symbol is the file's name
        for part in (self.options.fingerprint(), source.encode(), file.stem.encode()):
            digest.update(b"\0" + part)
        if renamed:
            digest.update(b"\0" + json.dumps(renamed, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    @cached_property
    def withdrawn(self) -> dict[str, Withdrawn]:
        """Withdrawn deliveries, which count as never delivered."""
        return withdrawn(self.con, self.store)

    def known(self) -> list[Delivered]:
        """Return earlier deliveries that are not withdrawn, oldest first."""
        if self.catalog is None:
            self.catalog = self.standing(self.store)
        return self.catalog

    @cached_property
    def known_beside(self) -> list[Delivered]:
        """The deliveries of the other stores that builds read."""
        return [one for store in self.beside for one in self.standing(store)]

    @cached_property
    def known_withdrawn(self) -> list[Delivered]:
        """The deliveries of all these stores that are withdrawn, newest first."""
        if not self.withdrawn:
            return []
        return [
            one
            for store in (self.store, *self.beside)
            for one in reversed(store.catalog(self.con))
            if one.delivery in self.withdrawn
        ]

    def alike(self, bars: Bars, near: list[Delivered]) -> list[Delivered]:
        """Return the deliveries that may have exactly the symbols of these bars."""
        return [one for one in near if self.symbols[one.delivery] in (None, bars.symbols)]

    def standing(self, store: RawStore) -> list[Delivered]:
        """Return the deliveries of a store that are not withdrawn."""
        return [one for one in store.catalog(self.con) if one.delivery not in self.withdrawn]

    def near(self, bars: Bars, earlier: list[Delivered]) -> list[Delivered]:
        """Return the earlier deliveries that may have bars of the same kind, symbols and days."""
        near = [
            one
            for one in earlier
            if one.kind == bars.kind and one.overlaps(bars.first_session, bars.last_session)
        ]
        unasked = [one for one in near if one.delivery not in self.symbols]
        self.symbols |= symbols_of(self.con, unasked)
        return [
            one
            for one in near
            if (symbols := self.symbols[one.delivery]) is None
            or not symbols.isdisjoint(bars.symbols)
        ]

    def part(self, found: Found, done: float) -> None:
        """Report the progress of a file."""
        self.progress.at(found.name, self.bytes_before + found.weight * done)


# Fields that a manifest and a report share.
SHARED = (
    *("delivery", "kind", "source", "calendar", "bar_label", "rows_read", "rows_kept"),
    *("rows_unreadable", "rows_duplicate", "rows_revised", "symbol_count"),
)
