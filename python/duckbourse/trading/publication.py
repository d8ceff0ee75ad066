"""
What the loop needs from a publication, loaded completely so that the file is closed again at once.

Times in the file are exchange-local; here they are instants in UTC.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.names import did_you_mean
from duckbourse.orders.charges import Charges
from duckbourse.orders.order import PRICE_STEP
from duckbourse.orders.positions import CorporateAction
from duckbourse.risk.limits import Covariances, Instrument, Limits
from duckbourse.settings import settings
from duckbourse.warehouse import SCANNERS, open_published

# the returns of half a year; the risk of a share that lacks more than a fifth of them is unknown
COVARIANCE_SESSIONS = 125
MIN_COVARIANCE_SESSIONS = 100


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the session in `scanners.signals`; `known_at` and `exit_at` are instants in UTC."""

    signal_id: str
    scanner: str
    preset: str
    symbol: str
    direction: str
    known_at: datetime
    entry_price: Decimal
    stop_price: Decimal | None
    target_price: Decimal | None
    exit_at: datetime
    position_pct: Decimal
    signal_rank: int | None


class Publication(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """
    One publication, for one account and session.

    `sessions_behind` is the number of sessions after the last one with daily bars, up to and
    including the one being traded: 0 or 1 if the build includes the prior session.
    """

    build_id: str
    data_version: str
    limits: Limits
    zone: ZoneInfo
    session_date: date
    opens_at: datetime
    closes_at: datetime
    sessions_behind: int
    instruments: dict[str, Instrument]
    signals: tuple[Signal, ...]
    charges: tuple[Charges, ...]
    covariances: Covariances
    # of the instruments, up to the session
    actions: tuple[CorporateAction, ...] = ()
    # texts by strategy and parameter
    strategy_parameters: dict[str, dict[str, str]] = {}

    def at(self, of_day: time) -> datetime:
        """Return the instant of a time of day in this session."""
        return instant(datetime.combine(self.session_date, of_day), self.zone)

    @cached_property
    def square_off_at(self) -> datetime:
        """When positions are closed: at the account's time or a lead before the close."""
        before_close = self.closes_at - timedelta(minutes=self.limits.square_off_lead_minutes)
        of_account = self.at(self.limits.square_off_time)
        # an evening session opens after the account's time
        return min(of_account, before_close) if of_account > self.opens_at else before_close

    @cached_property
    def entries_end_at(self) -> datetime:
        """When entries end: at the account's time or a lead before the square-off."""
        lead = timedelta(minutes=self.limits.square_off_lead_minutes)
        of_account = self.at(self.limits.entry_cutoff_time)
        if of_account <= self.opens_at or self.square_off_at < of_account:
            return self.square_off_at - lead
        return of_account


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return an exchange-local time as an instant in UTC."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def load(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    session_date: date | None,
    scanners: frozenset[str],
) -> Publication:
    """
    Read what the account needs for a session; by default the last one with minute bars.

    `scanners` holds names such as `crp`, `crp.standard`, or `.standard` for the presets of this
    name; empty means all. Raise ConfigurationError for an unknown account or session.
    """
    read = _Reader(connection)
    limits = _limits(read, account)
    ((zone_name,),) = read(
        "select timezone from seeds.calendars where calendar = ?", limits.calendar
    )
    zone = ZoneInfo(zone_name)
    day = session_date or _last_session(read, limits.calendar)
    found = read(
        "select open_ts, close_ts from bars.sessions where calendar = ? and session_date = ?",
        limits.calendar,
        day,
    )
    if not found:
        ((before, after),) = read(
            """
            select
                max(session_date) filter (where session_date < $2)::varchar,
                min(session_date) filter (where session_date > $2)::varchar
            from bars.ohlcv where timeframe = '1m' and calendar = $1
            """,
            limits.calendar,
            day,
        )
        near = " or ".join(f"--date {each}" for each in (before, after) if each)
        raise ConfigurationError(
            f"{day} is not a session of {limits.calendar}",
            f"try {near}, with minute bars" if near else "load minutes with `./bourse ingest`",
        )
    (opens, closes) = found[0]
    instruments = _instruments(read, limits.calendar, day)
    build_id, data_version = read("select build_id, data_version from serving.publication")[0]
    return Publication(
        build_id=build_id,
        data_version=data_version,
        limits=limits,
        zone=zone,
        session_date=day,
        opens_at=instant(opens, zone),
        closes_at=instant(closes, zone),
        sessions_behind=_sessions_behind(read, limits.calendar, day),
        instruments=instruments,
        signals=_signals(read, limits.calendar, day, zone, scanners),
        charges=_charges(read, limits),
        covariances=_covariances(read, sorted(instruments), day),
        actions=tuple(
            msgspec.convert(row, CorporateAction, strict=False)
            for row in read.rows(
                """
                from seeds.corporate_actions
                where ex_date <= ? and list_contains(?, symbol)
                order by ex_date, symbol, action
                """,
                day,
                sorted(instruments),
            )
        ),
        strategy_parameters=_strategy_parameters(read, account, day),
    )


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What the limits of an account are compared with, of one publication and some symbols."""

    limits: Limits
    instruments: dict[str, Instrument]
    charges: tuple[Charges, ...]
    covariances: Covariances


def load_risk(
    connection: duckdb.DuckDBPyConnection, account: str, session_date: date, symbols: list[str]
) -> Risk:
    """Read limits and risk of an account; raise ConfigurationError if it is not published."""
    read = _Reader(connection)
    limits = _limits(read, account)
    instruments = _instruments(read, limits.calendar, session_date)
    return Risk(
        limits=limits,
        instruments=instruments,
        charges=_charges(read, limits),
        covariances=_covariances(read, sorted(instruments), session_date, symbols),
    )


def session_today(account: str) -> date:
    """Return today's session where an account trades; raise ConfigurationError if there is none."""
    connection = open_published()
    try:
        read = _Reader(connection)
        calendar = _limits(read, account).calendar
        ((zone_name,),) = read("select timezone from seeds.calendars where calendar = ?", calendar)
        today = clock.now().astimezone(ZoneInfo(zone_name)).date()
        ((is_session, next_session),) = read(
            """
            select coalesce(bool_or(session_date = $2), false), min(session_date)::varchar
            from bars.sessions
            where calendar = $1 and session_date >= $2
            """,
            calendar,
            today,
        )
    finally:
        connection.close()
    if not is_session:
        raise ConfigurationError(
            f"today, {today}, is not a trading session of {calendar}",
            f"the next session is {next_session}; replay an earlier one with another --feed"
            if next_session
            else "extend the seeds in seeds/calendars and build again",
        )
    return today


def to_signals(
    rows: list[dict[str, Any]], zone: ZoneInfo, scanners: frozenset[str]
) -> tuple[Signal, ...]:
    """Convert rows of `scanners.signals` to signals, in the order in which they are followed."""
    found = [
        msgspec.convert(_signal_row(row, zone), Signal, strict=False)
        for row in rows
        if not scanners or scanners & _names(row["scanner"], row["preset"])
    ]
    return tuple(sorted(found, key=signal_order))


def _names(scanner: str, preset: str) -> set[str]:
    return {scanner, f"{scanner}.{preset}", f".{preset}"}


def signal_order(signal: Signal) -> tuple[datetime, float, str]:
    """Return the sort key of a signal: earliest first, then best rank."""
    rank = math.inf if signal.signal_rank is None else signal.signal_rank
    return signal.known_at, rank, signal.signal_id


def _signal_row(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    midnight = datetime.combine(row["session_date"], time())
    exits = row["exit_time"]
    # DuckDB returns 24:00 as a text
    exit_at = (
        datetime.combine(midnight, exits) if isinstance(exits, time) else midnight + timedelta(1)
    )
    prices = {
        name: row[name] and Decimal(str(row[name])).quantize(PRICE_STEP)
        for name in ("entry_price", "stop_price", "target_price")
    }
    known_at = instant(row["known_ts"], zone)
    position_pct = str(row["position_pct"])
    return (
        row
        | prices
        | {"known_at": known_at, "exit_at": instant(exit_at, zone), "position_pct": position_pct}
    )


class Publications:
    """
    Successive publications for one account and session.

    Without signals they serve a session that is scanned live.
    """

    def __init__(
        self,
        account: str,
        session_date: date | None,
        scanners: frozenset[str],
        path: Path | None = None,
        *,
        with_signals: bool = True,
    ) -> None:
        self._path = path or settings().published_database
        self._account = account
        self._session_date = session_date
        self._scanners = scanners
        self._with_signals = with_signals
        self._seen: tuple[int, int] | None = None

    def newer(self) -> Publication | None:
        """Return the publication if it is another than the last one, or None; raise as `load`."""
        state = self._path.stat() if self._path.exists() else None
        found = (state.st_ino, state.st_mtime_ns) if state else None
        if found is not None and found == self._seen:
            return None
        connection = open_published(self._path)
        try:
            if self._seen is None:  # a later one may lack the preset, and its exits go on
                _check_scanners(_Reader(connection), self._scanners)
            publication = load(connection, self._account, self._session_date, self._scanners)
        finally:
            connection.close()
        self._seen, self._session_date = found, publication.session_date
        return publication if self._with_signals else replace(publication, signals=())


class _Reader:
    """Queries a connection; a missing relation raises PublicationError with a remedy."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __call__(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, list(values)).fetchall()
        except duckdb.CatalogException as error:
            raise PublicationError(
                f"the published file lacks what trading reads: {str(error).splitlines()[0]}",
                "run `./bourse build`",
            ) from error

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        found = self(query, *values)
        names = [column[0] for column in self._connection.description or []]
        return [_decimal_text(dict(zip(names, row, strict=True))) for row in found]


def _decimal_text(row: dict[str, Any]) -> dict[str, Any]:
    # the text of a double from a seed is the decimal written there
    return {name: str(value) if isinstance(value, float) else value for name, value in row.items()}


def charges_of(connection: duckdb.DuckDBPyConnection, account: str) -> tuple[Charges, ...]:
    """Read the schedule of charges of an account's segment."""
    read = _Reader(connection)
    return _charges(read, _limits(read, account))


def limits_of(connection: duckdb.DuckDBPyConnection, account: str) -> Limits:
    """Read the limits of an account; raise ConfigurationError if there is no such account."""
    return _limits(_Reader(connection), account)


def _charges(read: _Reader, limits: Limits) -> tuple[Charges, ...]:
    rows = read.rows("from seeds.charges where segment = ?", limits.segment)
    return tuple(msgspec.convert(row, Charges, strict=False) for row in rows)


def _limits(read: _Reader, account: str) -> Limits:
    rows = {row["account"]: row for row in read.rows("from seeds.trading_accounts")}
    if account not in rows:
        raise ConfigurationError(
            f"there is no account {account!r}{did_you_mean(account, rows)}",
            f"seeds/reference/trading_accounts.csv has {', '.join(sorted(rows))}",
        )
    return msgspec.convert(rows[account], Limits, strict=False)


def _check_scanners(read: _Reader, chosen: frozenset[str]) -> None:
    if not chosen:
        return
    scanners = [str(name) for (name,) in read(SCANNERS)]
    presets = [
        f"{scanner}.{preset}"
        for scanner in scanners
        for (preset,) in read(f'select preset from seeds."{scanner}_presets"')
    ]
    of_any = {f".{preset.partition('.')[2]}" for preset in presets}
    for name in sorted(chosen - {*scanners, *presets, *of_any}):
        of, dot, preset = name.partition(".")
        known = [each for each in presets if each.startswith(f"{of}.")] if dot else scanners
        if not of:
            name, known = preset, sorted(each[1:] for each in of_any)
        raise ConfigurationError(
            f"there is no {'preset' if dot else 'scanner'} {name!r}"
            f"{did_you_mean(name, known or [*scanners, *presets])}",
            f"choose among {', '.join(known or scanners)}",
        )
    trading = {
        str(table).removesuffix("_presets")
        for (table,) in read(
            "select table_name from duckdb_columns() where database_name = current_database()"
            " and schema_name = 'seeds' and column_name = 'max_signals'"
        )
    }
    for name in sorted(chosen):
        scanner = name.partition(".")[0]
        if scanner and scanner not in trading:
            raise ConfigurationError(
                f"{scanner} is a filter: it has no signals to trade",
                f"choose among {', '.join(sorted(trading & set(scanners)))}",
            )


def _strategy_parameters(read: _Reader, account: str, day: date) -> dict[str, dict[str, str]]:
    rows = read(
        """
        select strategy, parameter, arg_max(value, effective_from)
        from seeds.strategy_parameters
        where account = ? and effective_from <= ?
        group by all
        """,
        account,
        day,
    )
    found: dict[str, dict[str, str]] = {}
    for strategy, parameter, value in rows:
        found.setdefault(strategy, {})[parameter] = value
    return found


def _last_session(read: _Reader, calendar: str) -> date:
    ((day,),) = read(
        "select max(session_date) from bars.ohlcv where timeframe = '1m' and calendar = ?", calendar
    )
    if day is None:
        raise ConfigurationError(
            f"there are no minute bars of {calendar} to trade on",
            "load some with `./bourse ingest`, or choose another account with --account",
        )
    return date.fromisoformat(str(day))


def _sessions_behind(read: _Reader, calendar: str, day: date) -> int:
    ((count,),) = read(
        """
        select count(*) from bars.sessions
        where calendar = $1 and session_date <= $2 and session_date > (
            select max(session_date) from bars.ohlcv where timeframe = '1d' and calendar = $1
        )
        """,
        calendar,
        day,
    )
    return int(count)


def _instruments(read: _Reader, calendar: str, day: date) -> dict[str, Instrument]:
    rows = read.rows(
        """
        with closes as (
            select symbol, sector, tick_size, lot_size, freeze_quantity, price_band_pct,
                arg_max(close, session_date) filter (where session_date < $2) as prior_close,
                max(session_date) filter (where session_date < $2) as close_date
            from seeds.instruments
            inner join bars.ohlcv using (symbol)
            where kind = 'share' and calendar = $1 and timeframe = '1d' and session_date <= $2
            group by all
        ),

        splits as (
            select symbol, product(old_shares / new_shares) as share_factor
            from closes
            inner join seeds.corporate_actions using (symbol)
            where action != 'dividend' and ex_date > close_date and ex_date <= $2
            group by symbol
        )

        select * exclude (close_date, share_factor)
            replace ((prior_close * coalesce(share_factor, 1))::decimal(18, 6) as prior_close)
        from closes
        left join splits using (symbol)
        """,
        calendar,
        day,
    )
    return {row["symbol"]: msgspec.convert(row, Instrument, strict=False) for row in rows}


def _signals(
    read: _Reader, calendar: str, day: date, zone: ZoneInfo, scanners: frozenset[str]
) -> tuple[Signal, ...]:
    rows = read.rows("from scanners.signals where calendar = ? and session_date = ?", calendar, day)
    return to_signals(rows, zone, scanners)


def _covariances(
    read: _Reader, instruments: list[str], day: date, symbols: list[str] | None = None
) -> Covariances:
    """
    Read the sample covariances of daily total returns over the sessions before a day.

    They are of some symbols or of all instruments, whose sessions count in either case.

    Each symbol has its own mean and its own number of returns, and a return that it lacks adds
    nothing. So its variance is that of the returns that it has, the matrix is positive semidefinite
    whatever is lacking, and without gaps it is that of `rolling_covariances`. A symbol with fewer
    than MIN_COVARIANCE_SESSIONS returns has none.
    """
    rows = read(
        f"""
        with closes as (
            select symbol, session_date, total_return_close
            from bars.total_return_closes
            where session_date < $2 and symbol in (select unnest($1))
        ),
        sessions as (
            select distinct session_date from closes
            order by session_date desc limit {COVARIANCE_SESSIONS + 1}
        ),
        returns as (
            select
                symbols.symbol,
                session_date,
                total_return_close
                / lag(total_return_close) over (partition by symbols.symbol order by session_date)
                - 1 as daily_return
            from sessions
            cross join (select unnest($3) as symbol) as symbols
            left join closes using (symbol, session_date)
        ),
        known as (
            select
                symbol,
                list(daily_return order by session_date) as daily_returns,
                avg(daily_return) as mean,
                count(daily_return) as known_count
            from returns
            group by symbol
            having known_count >= {MIN_COVARIANCE_SESSIONS}
        ),
        scaled as (
            select
                symbol,
                list_transform(
                    daily_returns,
                    lambda each: coalesce(each - mean, 0) / sqrt(known_count - 1)
                ) as deviations
            from known
        )
        select one.symbol, other.symbol, list_inner_product(one.deviations, other.deviations)
        from scaled as one
        inner join scaled as other on one.symbol <= other.symbol
        """,
        instruments,
        day,
        instruments if symbols is None else sorted({*instruments} & {*symbols}),
    )
    return Covariances({(one, other): value for one, other, value in rows})
