"""The figures of a publication that are shown after a build, with all their queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from duckbourse import freshness
from duckbourse.warehouse import fetch_rows

Rows = list[dict[str, Any]]

QUERIES = {
    "publication": """
        select build_id, git_revision, data_version, invocation_id, built_at, published_at
        from serving.publication
    """,
    "layers": """
        select
            split_part(entry.key, '.', 1) as layer,
            count(*)::bigint as table_count,
            sum(entry.value)::bigint as row_count,
            arg_max(entry.key, entry.value) as largest_table,
        from (
            select unnest(map_entries(row_counts)) as entry from serving.publication
        )
        group by layer
        order by row_count desc
    """,
    "bars": """
        select
            timeframe,
            count(distinct symbol) as symbol_count,
            count(*) as bar_count,
            max(session_date) as last_session_date,
        from bars.ohlcv
        group by timeframe
        order by bar_count desc
    """,
    "rejected": """
        select rule, count(*) as row_count
        from bars.rejected
        group by rule
        order by row_count desc
    """,
    "splits": """
        select symbol, ex_date, old_shares, new_shares
        from seeds.corporate_actions
        where action != 'dividend' and symbol in (select symbol from bars.ohlcv)
        order by ex_date desc
    """,
    "suspect_jumps": """
        select symbol, session_date, prior_close, close, close_ratio - 1 as close_return
        from bars.suspect_jumps
        where explanation is null
        order by jump_ratio desc
    """,
    "suspect_extremes": """
        select
            kind,
            count(*) as day_count,
            count(distinct symbol) as symbol_count,
            arg_max(symbol, (outlier_ratio, symbol, session_date)) as farthest_symbol,
            arg_max(session_date, (outlier_ratio, symbol, session_date)) as farthest_session,
            max(outlier_ratio) as farthest_ratio,
        from bars.suspect_extremes
        group by kind
        order by day_count desc, kind
    """,
    "day_minute_conflicts": """
        select
            compared_with,
            count(*) as day_count,
            count(distinct symbol) as symbol_count,
            count(distinct symbol) filter (where agreed_date is null)
                as day_minute_conflict_symbol_count,
            min(session_date) as first_session_date,
            max(session_date) as last_session_date,
        from bars.day_minute_conflicts
        group by compared_with
        order by compared_with desc
    """,
    "indicators": """
        select symbol, bar_end, close, sma_200, rsi_14, adx_14
        from serving.latest_indicators
        inner join (
            select symbol, count(*) as bar_count from indicators.moving_averages
            where timeframe = '1d' group by symbol
        ) using (symbol)
        where timeframe = '1d'
        order by bar_count desc, symbol
    """,
    "signals": """
        select session_date, signal_rank, scanner, preset, symbol, direction, score
        from scanners.signals
        where session_date = (select max(session_date) from scanners.signals)
        order by signal_rank nulls last, scanner, preset, symbol
    """,
    "portfolios": """
        select
            portfolio,
            first_session_date,
            last_session_date,
            session_return as last_return,
            cumulative_return,
        from portfolio.performance
        inner join portfolio.equity using (portfolio, basis)
        where basis = 'net' and session_date = last_session_date
        order by portfolio
    """,
    "holdings_without_price": """
        select
            portfolio,
            symbol,
            max(price_date) as last_price_date,
            max(session_date) as valued_until,
            count(*) as session_count,
        from portfolio.missing_prices
        inner join (
            select portfolio, max(session_date) as last_session_date
            from portfolio.equity
            group by portfolio
        ) using (portfolio)
        group by portfolio, symbol, last_session_date
        having max(session_date) = last_session_date
        order by portfolio, symbol
    """,
    "value_at_risk": """
        select
            portfolio,
            method,
            session_date,
            confidence,
            horizon_sessions,
            lookback_sessions,
            var_return,
            es_return,
        from risk.var_estimates
        where
            confidence = 0.99 and horizon_sessions = 1 and lookback_sessions = 250
            and var_return is not null
        qualify session_date = max(session_date) over (partition by portfolio)
        order by portfolio, var_return
    """,
}


@dataclass(frozen=True)
class SignalCounts:
    """The number of signals by scanner and preset, up to and including a session."""

    last_session_date: date | None
    of_presets: dict[str, int]


def signal_counts(
    connection: duckdb.DuckDBPyConnection, last_session_date: date | None = None
) -> SignalCounts | None:
    """Return the numbers up to a session, or up to the last; None without a table of signals."""
    try:
        rows = connection.execute(
            """
            select scanner || '.' || preset, count(*), max(session_date)
            from scanners.signals
            where session_date <= coalesce($last, session_date)
            group by all
            """,
            {"last": last_session_date},
        ).fetchall()
    except duckdb.CatalogException:
        return None
    last = last_session_date or max((row[2] for row in rows), default=None)
    return SignalCounts(last, {preset: count for preset, count, _ in rows})


def summary(connection: duckdb.DuckDBPyConnection) -> dict[str, Rows | None]:
    """Return the rows of each part; None if its relation is not in the publication."""
    found = {part: _or_none(fetch_rows, connection, query) for part, query in QUERIES.items()}
    known = _or_none(freshness.calendars, connection) or []
    warnings = [{"warning": each} for each in freshness.calendar_warnings(known)]
    return found | {"newest_bars": newest_bars(connection), "calendar_warnings": warnings}


def newest_bars(connection: duckdb.DuckDBPyConnection) -> Rows | None:
    """Return the newest bar of each market; None if no bars are in the publication."""
    return _or_none(freshness.markets, connection)


def _or_none(fetch: Callable[..., Rows], *of: Any) -> Rows | None:
    try:
        return fetch(*of)
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
