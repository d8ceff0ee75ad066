"""
What the loop takes from a publication, loaded whole, so that the file is closed again at once.

Times in the file are the exchange's; here they are instants in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.orders.charges import Charges
from duckbourse.risk.limits import Covariances, Instrument, Limits

# half a year: a share that has been listed for so long can be traded
COVARIANCE_SESSIONS = 125


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `scanners.signals` of the session; `exit_at` and `known_at` are instants."""

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


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """
    One publication, for one account and session.

    `sessions_behind` is how many sessions of the calendar lie between the last that it has bars of
    and the one that is traded: 0 and 1 are what a build of the eve has.
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

    def at(self, of_day: time) -> datetime:
        """Return the instant of a time of day of the session."""
        return instant(datetime.combine(self.session_date, of_day), self.zone)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return an exchange's own time as an instant in UTC."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def load(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    session_date: date | None,
    scanners: frozenset[str],
) -> Publication:
    """
    Read what the account needs for a session, which is the last with minute bars unless given.

    `scanners` are `scanner` or `scanner.preset`; none is all. Raise ConfigurationError for an
    account or a session that is not there.
    """
    ask = _Asker(connection)
    limits = _limits(ask, account)
    ((zone_name,),) = ask(
        "select timezone from seeds.calendars where calendar = ?", limits.calendar
    )
    zone = ZoneInfo(zone_name)
    day = session_date or _last_session(ask, limits.calendar)
    found = ask(
        "select open_ts, close_ts from bars.sessions where calendar = ? and session_date = ?",
        limits.calendar,
        day,
    )
    if not found:
        raise ConfigurationError(
            f"{day} is no session of {limits.calendar}", "name another with --date"
        )
    (opens, closes) = found[0]
    instruments = _instruments(ask, limits.calendar, day)
    build_id, data_version = ask("select build_id, data_version from serving.publication")[0]
    return Publication(
        build_id=build_id,
        data_version=data_version,
        limits=limits,
        zone=zone,
        session_date=day,
        opens_at=instant(opens, zone),
        closes_at=instant(closes, zone),
        sessions_behind=_sessions_behind(ask, limits.calendar, day),
        instruments=instruments,
        signals=_signals(ask, limits.calendar, day, zone, scanners),
        charges=tuple(
            msgspec.convert(row, Charges, strict=False)
            for row in ask.rows("from seeds.charges where segment = ?", limits.segment)
        ),
        covariances=_covariances(ask, sorted(instruments), day),
    )


class _Asker:
    """A connection that answers with rows; a relation that is not there is told with a remedy."""

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
        return [_plain(dict(zip(names, row, strict=True))) for row in found]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    # a double of a seed is the decimal that was written there
    return {name: str(value) if isinstance(value, float) else value for name, value in row.items()}


def _limits(ask: _Asker, account: str) -> Limits:
    rows = {
        row["account"]: row
        for row in ask.rows(
            "select * replace (entry_cutoff_time::time as entry_cutoff_time,"
            " square_off_time::time as square_off_time) from seeds.trading_accounts"
        )
    }
    if account not in rows:
        raise ConfigurationError(
            f"there is no account {account!r}",
            f"those of seeds/reference/trading_accounts.csv are {', '.join(sorted(rows))}",
        )
    return msgspec.convert(rows[account], Limits, strict=False)


def _last_session(ask: _Asker, calendar: str) -> date:
    ((day,),) = ask(
        "select max(session_date) from bars.ohlcv where timeframe = '1m' and calendar = ?", calendar
    )
    if day is None:
        raise ConfigurationError(
            f"there are no minute bars of {calendar} to trade on",
            "deliver some with `./bourse ingest`, or name another account with --account",
        )
    return date.fromisoformat(str(day))


def _sessions_behind(ask: _Asker, calendar: str, day: date) -> int:
    ((count,),) = ask(
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


def _instruments(ask: _Asker, calendar: str, day: date) -> dict[str, Instrument]:
    rows = ask.rows(
        """
        select symbol, sector, tick_size, lot_size, freeze_quantity, price_band_pct,
            arg_max(close, session_date) filter (where session_date < $2)::decimal(18, 6)
                as previous_close
        from seeds.instruments
        inner join bars.ohlcv using (symbol)
        where kind = 'share' and calendar = $1 and timeframe = '1d' and session_date <= $2
        group by all
        """,
        calendar,
        day,
    )
    return {row["symbol"]: msgspec.convert(row, Instrument, strict=False) for row in rows}


def _signals(
    ask: _Asker, calendar: str, day: date, zone: ZoneInfo, scanners: frozenset[str]
) -> tuple[Signal, ...]:
    rows = ask.rows(
        """
        select signal_id, scanner, preset, symbol, direction, known_at,
            entry_price::decimal(18, 6) as entry_price, stop_price::decimal(18, 6) as stop_price,
            target_price::decimal(18, 6) as target_price, session_date + exit_time::time as exit_at,
            position_pct, signal_rank
        from scanners.signals
        where calendar = ? and session_date = ?
        order by known_at, signal_rank nulls last, signal_id
        """,
        calendar,
        day,
    )
    for row in rows:
        row |= {name: instant(row[name], zone) for name in ("known_at", "exit_at")}
    return tuple(
        msgspec.convert(row, Signal, strict=False)
        for row in rows
        if not scanners or scanners & {row["scanner"], f"{row['scanner']}.{row['preset']}"}
    )


def _covariances(ask: _Asker, symbols: list[str], day: date) -> Covariances:
    rows = ask(
        f"""
        select symbol, other_symbol, covariance
        from rolling_covariances($1, {COVARIANCE_SESSIONS})
        where covariance is not null and session_date < $2
        qualify session_date = max(session_date) over ()
        """,
        symbols,
        day,
    )
    return Covariances({(one, other): value for one, other, value in rows})
