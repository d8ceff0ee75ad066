"""
The session in progress, in an in-memory database, computed with the SQL that dbt published.

Its relations have the names of the published ones. Relations that the session extends are built
with the models' own SQL (`serving.live_models`); the others are the published relations up to the
prior session. The published macros therefore answer as they will after the next build has the same
minutes, and no later data is visible, even if the session was long ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from duckbourse.errors import PublicationError
from duckbourse.settings import PROJECT, settings
from duckbourse.streaming.feed import Records
from duckbourse.streaming.tables import TICKS, registered
from duckbourse.warehouse import CATALOG, attach, quoted, unpublished

# a session that opens after a scan's cutoff does not count, so load this many sessions more
EXTRA_SESSIONS = 10
BARS = "bars.ohlcv"
MINUTES = "scanners.session_minutes"
# these relations hold prior sessions plus the session's rows; others hold the session only
EXTENDED = (BARS, MINUTES)
# Relations that stand for models in the session, in the order in which they read each other: the
# SQL of each is beside its model, in a file that ends with .live.sql.
SESSION_MODELS = (
    "stg_journal__ticks",
    "bars__recordings",
    "bars__delivered_minutes",
    "bars__delivered_days",
    "bars__symbol_days",
    "bars__stale_symbols",
    "bars__checked_daily",
    "scanners__stale_sessions",
)
# built by the session after all else
SESSION_TABLES = ("bars.ticked_minutes", "scanners.signals")
# weekly bars need more than one session; bar numbers continue from those before the session
RENUMBERED = """
    select built.* replace (built.bar_number + coalesce(bar_count, 0) as bar_number)
    from ({code}) as built
    left join live.prior_bar_counts using (symbol, timeframe)
    where timeframe != '1w'
"""
# the session's own tables, and what it needs to know of the sessions before
SETUP = """
    create table live.clock as select null::timestamp as now;
    create table live.minutes (
        symbol varchar, bar_ts timestamp, open double, high double, low double, close double,
        volume double, primary key (symbol, bar_ts)
    );
    create table live.ticks (
        symbol varchar, traded_at timestamp, received_at timestamp, price double, quantity bigint,
        cumulative_volume bigint
    )
"""
HISTORY = """
    create table live.prior_bar_counts as
    select symbol, timeframe, count(*) as bar_count
    from {published}.bars.ohlcv where session_date < {day} group by all;
    create table live.history_start as
    select min(session_date) from (
        from {published}.bars.sessions
        where calendar = {calendar} and session_date < {day}
        order by session_date desc
        limit (select max(history_sessions) + {extra} from {published}.scanners.cutoffs)
    )
"""
COLUMNS = ("symbol", "bar_ts", "open", "high", "low", "close", "volume")
# After a minute is complete, its ticks are dropped except for the cumulative volume.
COMPLETE_MINUTES = """
    create or replace temp table completed_minutes as from ({code}) where bar_ts < {now};
    insert or ignore into live.minutes by name
    select symbol, bar_ts, open, high, low, close, volume
    from completed_minutes where tick_count > 0;
    delete from live.ticks where traded_at < {utc_now};
    insert into live.ticks by name
    select
        symbol,
        {utc_now}::timestamp - interval 1 microsecond as traded_at,
        {utc_now}::timestamp - interval 1 microsecond as received_at,
        arg_max(cumulative_volume, bar_ts) as cumulative_volume
    from completed_minutes
    where cumulative_volume is not null and bar_ts::date = {now}::date
    group by symbol
"""


def session_relations() -> dict[str, str]:
    """Return the SQL of each relation that stands for a model, by its name."""
    files = {file.name: file for file in (PROJECT / "models").rglob("*.live.sql")}
    return {
        f"staging.{model}" if model.startswith("stg_") else model.replace("__", "."): (
            files[f"{model}.live.sql"].read_text()
        )
        for model in SESSION_MODELS
    }


Minute = tuple[str, datetime, float, float, float, float, float | None]


class LiveSession:
    """
    One session of a calendar, up to an instant that advances.

    Times are exchange-local, without a zone, as in the published file. The file is kept open as it
    was at the start. `late` is how long after a minute its ticks may still arrive.
    """

    def __init__(self, calendar: str, session_date: date, published: Path | None = None) -> None:
        """Open the published file; raise PublicationError if it has no live models."""
        path = published or settings().published_database
        if not path.exists():
            raise unpublished(path)
        self._day = quoted(session_date)
        self._views: dict[str, str] = {}
        self._ticks: list[Records] = []
        self._symbols: tuple[str, ...] = ()
        self._connection = duckdb.connect()
        try:
            attach(self._connection, path, read_only=True)
            self._models = dict(
                self.fetch(
                    f"select relation, code from {CATALOG}.serving.live_models order by step"
                )
            )
            self._presets = self._models.pop("live.presets")
            self._ticked_minutes = self._models.pop("bars.ticked_minutes")
            self._signals = self._models.pop("scanners.signals")
            presets = self.fetch(f"select distinct scanner from ({self._presets})")
            self.scanners = {scanner for (scanner,) in presets}
            self._zone, self.late = self._read_calendar(calendar)
            self._set_up(quoted(calendar))
        except PublicationError:
            self._connection.close()
            raise
        except (duckdb.Error, KeyError) as error:
            self._connection.close()
            raise PublicationError(
                f"the published file cannot serve a live session: {str(error).splitlines()[0]}",
                "run `./bourse build`",
            ) from error

    def close(self) -> None:
        self._connection.close()

    def add_minutes(self, minutes: Sequence[Minute]) -> None:
        """
        Add complete minutes: symbol, start, open, high, low, close, volume.

        A minute added again replaces the earlier one.
        """
        if not minutes:
            return
        values = map(np.array, zip(*minutes, strict=True))
        columns = dict(zip(COLUMNS, values, strict=True))
        self._connection.register("added", columns)
        self._execute("insert or replace into live.minutes by name from added")
        self._connection.unregister("added")

    def add_ticks(self, records: Records, symbols: tuple[str, ...]) -> None:
        """
        Add ticks in the order received, from a feed with these symbols.

        They become a minute bar once `end_minutes` completes the minute. A tick added after that,
        or more than the calendar's `late_tick_seconds` after its minute, is in no bar.
        """
        if symbols != self._symbols:
            self._insert_ticks()
            self._symbols = symbols
        self._ticks.append(records)

    def end_minutes(self, instant: datetime) -> None:
        """Build the bars of all minutes that were complete at an instant, from their ticks."""
        self._insert_ticks()
        now = instant.replace(second=0, microsecond=0)
        utc_now = now.replace(tzinfo=self._zone).astimezone(UTC).replace(tzinfo=None)
        words = {"now": f"{quoted(now)}::timestamp", "utc_now": quoted(utc_now)}
        self._execute(
            *(
                part.format(code=self._ticked_minutes, **words)
                for part in COMPLETE_MINUTES.split(";")
            )
        )

    def advance_to(self, instant: datetime) -> None:
        """Rebuild all models as of an instant, from the minutes complete by then."""
        self.end_minutes(instant)
        self._execute(
            f"create or replace table live.clock as select {quoted(instant)}::timestamp as now"
        )
        # read the session's minutes alone while they are built, not years of history
        self._execute(f"create or replace view {BARS} as from live.ohlcv")
        for relation, code in self._models.items():
            if relation == BARS:
                code = RENUMBERED.format(code=code)
            self._execute(f"create or replace table {self._session_table(relation)} as {code}")
            if relation == MINUTES:
                self._execute(self._views[BARS])

    def cutoffs(self) -> list[time]:
        """Return the times of day at which a live scan is due."""
        found = self.fetch(f"select distinct cutoff_time from ({self._presets}) order by all")
        return [cutoff for (cutoff,) in found]

    def signals(self, cutoff: time) -> list[dict[str, Any]]:
        """
        Return the live scanners' signals at a cutoff, as rows of `scanners.signals`.

        Call `advance_to` the cutoff first.
        """
        scans: dict[str, list[str]] = {}
        for scanner, preset, is_due in self.fetch(
            # the macros refuse a session without minutes
            f"select scanner, preset, cutoff_time = ? and exists (from live.session_minutes)"
            f" from ({self._presets})",
            cutoff,
        ):
            found = scans.setdefault(scanner, [])
            if is_due:
                of = f"{self._day}, {quoted(cutoff)}, {quoted(preset)}"
                found.append(f"from {CATALOG}.{scanner}_scan({of})")
        for scanner, parts in scans.items():
            parts = [f"from {CATALOG}.scanners.{scanner} limit 0", *parts]
            union = " union all ".join(f"({part})" for part in parts)
            self._execute(f"create or replace table scanners.{scanner} as {union}")
        answer = self._connection.execute(
            f"select * from ({self._signals}) where session_date = {self._day}"
        )
        names = [column[0] for column in answer.description or []]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def fetch(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Query the session and its history; macros are called as `duckbourse.<name>(…)`."""
        return self._connection.execute(query, list(values)).fetchall()

    def _insert_ticks(self) -> None:
        if not self._ticks:
            return
        records = np.concatenate(self._ticks)
        self._ticks.clear()
        with registered(self._connection, records, self._symbols):
            self._execute(
                f"insert into live.ticks by name select * exclude (bid, ask) from ({TICKS})"
            )

    def _read_calendar(self, calendar: str) -> tuple[ZoneInfo, timedelta]:
        found = self.fetch(
            "select timezone, to_seconds(late_tick_seconds) "
            f"from {CATALOG}.seeds.calendars where calendar = ?",
            calendar,
        )
        if not found:
            raise PublicationError(
                f"there is no calendar {calendar!r}",
                "use one from seeds/calendars/calendars.csv, or add it there",
            )
        ((zone_name, late),) = found
        return ZoneInfo(zone_name), late

    def _execute(self, *statements: str) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _set_up(self, calendar: str) -> None:
        tables = self.fetch(
            """
            select schema_name, table_name, list(column_name)
            from duckdb_columns() where database_name = ? and schema_name != 'staging' group by all
            """,
            CATALOG,
        )
        self._execute("use memory", "create schema live", "create schema staging")
        self._execute(*(f"create schema {schema}" for schema in {schema for schema, *_ in tables}))
        session_models = session_relations()
        session_only = {*session_models, *SESSION_TABLES, *self._models} - {*EXTENDED}
        session_only |= {f"scanners.{scanner}" for scanner in self.scanners}
        history = HISTORY.format(
            day=self._day, calendar=calendar, published=CATALOG, extra=EXTRA_SESSIONS
        )
        self._execute(
            f"set variable session_date = {self._day}::date",
            f"set variable calendar = {calendar}",
            *SETUP.split(";"),
            *history.split(";"),
        )
        for schema, table, columns in tables:
            relation = f"{schema}.{table}"
            if relation in session_only:
                continue
            view = f"from {CATALOG}.{relation} where {self._prior_filter(relation, columns)}"
            if relation in EXTENDED:
                added = self._session_table(relation)
                self._execute(f"create table {added} as from {CATALOG}.{relation} limit 0")
                view += f" union all by name from {added}"
            self._views[relation] = f"create or replace view {relation} as {view}"
            self._execute(self._views[relation])
        self._execute(
            *(f"create view {relation} as {sql}" for relation, sql in session_models.items())
        )

    def _prior_filter(self, relation: str, columns: list[str]) -> str:
        """Return the SQL condition for the rows of a relation known in the prior session."""
        if relation == "bars.sessions" or relation.startswith("seeds."):
            return "true"
        if relation == MINUTES:
            return f"session_date < {self._day} and session_date >= (from live.history_start)"
        if "session_date" in columns:
            return f"session_date < {self._day}"
        return f"bar_ts < {self._day}" if "bar_ts" in columns else "true"

    @staticmethod
    def _session_table(relation: str) -> str:
        """Return the table with the session's rows of a relation."""
        return f"live.{relation.split('.')[1]}" if relation in EXTENDED else relation
