"""Runs: a scanner's preset traded under one setting."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels, one_of
from duckbourse.pages.signals import scanners_of

# orders settings: first that of equal positions and stops that stay, by which presets compare
PLAINEST = """(
    sizing != 'fixed_fraction',
    trailing_stop_pct is not null or trailing_stop_atr_ratio is not null,
    setting
)"""


def backtests(panels: Panels, *, scanner: str | None = None) -> dict[str, Any]:
    """Answer `/backtests`: every run with its figures, and the settings, the plainest first."""
    names = None if scanner is None else scanners_of(panels, scanner)
    return {
        "runs": panels.rows(
            "runs",
            f"""
            select
                run_id,
                scanner,
                preset,
                setting,
                calendar,
                first_session_date,
                last_session_date,
                session_count,
                trade_count,
                win_rate,
                win_rate_low,
                win_rate_high,
                mean_trade_return,
                mean_trade_return_low,
                mean_trade_return_high,
                cumulative_return,
                max_drawdown,
                profit_factor_ratio,
                permutation_p_value,
                verdict,
                deflated_sharpe
            from backtests.summary
            {"" if names is None else "where list_contains($scanners, scanner)"}
            order by setting, scanner, preset
            """,
            **({} if names is None else {"scanners": names}),
        ),
        "settings": panels.rows(
            "settings",
            f"""
            select
                setting,
                calendar,
                sizing,
                sizing_pct,
                slippage_bps,
                max_positions,
                trailing_stop_pct,
                trailing_stop_atr_ratio
            from seeds.backtest_settings
            where setting in (select setting from backtests.summary)
            order by {PLAINEST}
            """,
        ),
    }


def backtest(panels: Panels, run_id: str) -> dict[str, Any]:
    """Answer `/backtests/{run_id}`: one run with equity, trades and folds."""
    run = panels.row("run", "from backtests.summary where run_id = $run", run=run_id)
    if run is None:
        known = panels.values("select run_id from backtests.summary order by all")
        one_of("run", run_id, known)
        raise AssertionError(run_id)
    [currency] = panels.values(
        "select currency from seeds.calendars where calendar = $calendar", calendar=run["calendar"]
    )
    return {
        "run": run,
        "currency": currency,
        "equity": panels.columns(
            "equity",
            """
            select session_date, cumulative_return, drawdown, benchmark_cumulative_return
            from backtests.equity
            where run_id = $run
            order by session_date
            """,
            run=run_id,
        ),
        "months": panels.columns(
            "months",
            """
            select calendar_year, calendar_month, month_return, year_to_date_return
            from backtests.monthly_returns
            where run_id = $run
            order by month_date
            """,
            run=run_id,
        ),
        "exits": panels.rows(
            "exits",
            """
            select exit_reason, trade_count, win_rate, mean_trade_return
            from backtests.exit_reasons
            where run_id = $run
            order by trade_count desc, exit_reason
            """,
            run=run_id,
        ),
        "trades": panels.columns(
            "trades",
            """
            select
                trades.signal_id,
                trades.symbol,
                trades.session_date,
                trades.direction,
                trades.quantity,
                trades.entry_ts,
                trades.entry_price,
                trades.exit_ts,
                trades.exit_price,
                trades.exit_reason,
                trades.net_pnl_amount,
                trades.net_return,
                max_adverse_return,
                max_favorable_return
            from backtests.trades
            left join backtests.outcomes using (signal_id)
            where run_id = $run
            order by trades.entry_ts, trades.signal_rank, signal_id
            """,
            run=run_id,
        ),
        "folds": panels.rows(
            "folds",
            """
            select
                fold,
                first_session_date,
                last_session_date,
                session_count,
                trade_count,
                win_rate,
                mean_trade_return,
                cumulative_return,
                is_chosen
            from backtests.folds
            where run_id = $run
            order by fold
            """,
            run=run_id,
        ),
    }
