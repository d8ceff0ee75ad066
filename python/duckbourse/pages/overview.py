"""The first page: signals, portfolios and the state of the data at a glance."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels, plain
from duckbourse.pages.sessions import session_of
from duckbourse.pages.signals import signals_where


def overview(
    panels: Panels, *, date: str | None = None, scanner: str | None = None
) -> dict[str, Any]:
    """Answer `/overview`, of the session that is given or the newest one with signals."""
    session = session_of(panels, date)
    return {
        "session": plain(session),
        "freshness": panels.rows(
            "freshness",
            """
            select
                timeframe,
                calendar,
                count(*) as symbol_count,
                max(last_bar_end) as last_bar_end,
                count(*) filter (sessions_behind = 0) as current_count,
                min(sessions_behind_now) as sessions_behind_now
            from bars.staleness
            group by all
            order by timeframe desc, calendar
            """,
        ),
        "sources": panels.rows(
            "sources",
            """
            select
                source,
                kind,
                count(*) as delivery_count,
                max(source_symbol_count) as symbol_count,
                sum(kept_row_count)::bigint as row_count,
                min(first_session_date) as first_session_date,
                max(last_session_date) as last_session_date
            from bars.deliveries
            group by source, kind
            order by row_count desc, source, kind
            """,
        ),
        "counts": panels.row(
            "counts",
            """
            select
                row_counts['bars.ohlcv'] as bar_count,
                (select count(distinct symbol) from serving.latest_bars) as symbol_count,
                row_counts['scanners.signals'] as signal_count,
                row_counts['backtests.trades'] as trade_count,
                row_counts['serving.indicator_catalog'] as output_count,
                row_counts['bars.rejected'] as rejected_count,
                row_counts['bars.missing'] as missing_count,
                row_counts['bars.suspect_jumps'] as jump_count,
                row_counts['bars.suspect_extremes'] as extreme_count,
                row_counts['bars.restatements'] as restatement_count,
                row_counts['bars.day_minute_conflicts'] as conflict_count
            from serving.publication
            """,
        ),
        "signals": signals_where(panels, "session_date = $session", scanner, session=session),
        "portfolios": panels.rows(
            "portfolios",
            """
            select
                overview.portfolio,
                overview.session_date,
                overview.session_return,
                overview.drawdown,
                peak_date,
                overview.var_return,
                overview.es_return,
                overview.var_amount
            from serving.portfolio_overview as overview
            left join serving.drawdown_by_day as days
                on
                    overview.portfolio = days.portfolio
                    and overview.session_date = days.session_date
                    and basis = 'net'
            order by overview.portfolio
            """,
        ),
        "verdicts": panels.rows(
            "verdicts",
            """
            select portfolio, verdict, exceedance_count, expected_count, session_count
            from risk.var_backtest
            where
                period = 'all'
                and method = 'historical'
                and confidence = 0.99
                and lookback_sessions = 250
            order by portfolio
            """,
        ),
        "growth": panels.rows(
            "growth",
            """
            select portfolio, list(equity_ratio order by session_date) as equity_ratio
            from (
                from portfolio.equity
                where basis = 'net'
                qualify row_number() over (
                    partition by portfolio order by session_date desc
                ) <= 120
            )
            group by portfolio
            order by portfolio
            """,
        ),
        "runs": panels.row(
            "runs",
            """
            select
                count(*) as run_count,
                count(*) filter (verdict like 'gain%') as gain_count,
                count(*) filter (verdict = 'gain_better_than_chance') as better_count
            from backtests.summary
            """,
        ),
    }
