"""The names that commands, table functions and addresses take, as they are published."""

from __future__ import annotations

from enum import StrEnum

import duckdb

from duckbourse.errors import PublicationError
from duckbourse.market import IN_ORDER
from duckbourse.warehouse import SCANNERS, quoted


class Kind(StrEnum):
    symbols = "symbols"
    presets = "presets"
    portfolios = "portfolios"
    indicators = "indicators"
    accounts = "accounts"
    scanners = "scanners"


QUERIES = {
    Kind.symbols: f"""
        select
            symbol,
            any_value(instruments.name) as name,
            any_value(instruments.sector) as sector,
            any_value(staleness.calendar) as calendar,
            array_to_string(list(timeframe order by {IN_ORDER}), ' ') as timeframes,
            max(session_date) as last_session_date,
            arg_max(close, bar_end) as last_close,
        from serving.latest_bars
        left join seeds.instruments using (symbol)
        left join bars.staleness using (symbol, timeframe)
        group by symbol
        order by symbol
    """,
    Kind.portfolios: """
        select
            portfolio,
            source,
            calendar,
            currency,
            benchmark,
            capital_amount,
            first_session_date,
            last_session_date,
            description,
        from seeds.portfolios
        left join (
            select portfolio, first_session_date, last_session_date,
            from portfolio.performance where basis = 'net'
        ) using (portfolio)
        order by portfolio
    """,
    Kind.indicators: """
        select
            indicator,
            any_value(title) as title,
            any_value(periods) as periods,
            any_value(origin) as origin,
            string_agg(output, ' ' order by output) as outputs,
        from serving.indicator_catalog
        group by indicator
        order by indicator
    """,
    Kind.accounts: """
        select
            account,
            broker,
            calendar,
            product,
            capital_amount,
            max_positions,
            max_symbol_pct,
            max_daily_loss_pct,
            max_drawdown_pct,
            square_off_time,
        from seeds.trading_accounts
        order by account
    """,
}
# {} is a scanner; a filter has neither signals nor orders, and so not all of these columns
PRESETS = """
    select
        {} as scanner,
        columns(lambda name: name in (
            'preset',
            'cutoff_time',
            'max_signals',
            'stop_loss_pct',
            'take_profit_pct',
            'position_pct',
            'exit_time'
        )),
    from seeds.{}_presets
"""


def query_of(connection: duckdb.DuckDBPyConnection, kind: Kind) -> str:
    """Return the query that lists everything of a kind."""
    if kind not in (Kind.presets, Kind.scanners):
        return QUERIES[kind]
    scanners = [name for (name,) in connection.execute(SCANNERS).fetchall()]
    if not scanners:
        raise PublicationError(
            "the published file has no scanners", "run `./bourse build` to publish them"
        )
    presets = " union all by name ".join(PRESETS.format(quoted(name), name) for name in scanners)
    if kind is Kind.presets:
        return f"from ({presets}) order by scanner, preset"
    return f"""
        select
            scanner,
            array_to_string(list(preset order by preset), ' ') as presets,
            signals.signal_count,
            signals.last_signal_date,
        from ({presets})
        left join (
            select scanner, count(*) as signal_count, max(session_date) as last_signal_date,
            from scanners.signals group by scanner
        ) as signals using (scanner)
        group by all
        order by scanner
    """
