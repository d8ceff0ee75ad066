"""What the scanners found in a session, and what each preset has been worth."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels, Row, plain
from duckbourse.pages.backtest import PLAINEST
from duckbourse.pages.sessions import session_of, sessions
from duckbourse.pages.signals import scanners_of, signals_where
from duckbourse.warehouse import identifier

KEY = ("session_date", "cutoff_time", "preset", "symbol", "calendar", "direction")
OF_SCANNERS = "and list_contains($scanners, scanner)"
# of these a score is made
PART_ENDINGS = ("_score", "_points", "_vote")


def scanners(
    panels: Panels, *, date: str | None = None, scanner: str | None = None
) -> dict[str, Any]:
    """Answer `/scanners`: the candidates of each scanner in a session, with their parts."""
    session = session_of(panels, date)
    names = scanners_of(panels, scanner)
    of, values = ("", {}) if scanner is None else (OF_SCANNERS, {"scanners": names})
    return {
        "session": plain(session),
        "sessions": sessions(panels),
        "candidates": [row for name in names for row in _candidates(panels, name, session)],
        "signals": signals_where(panels, "session_date = $session", scanner, session=session),
        "rejections": panels.rows(
            "rejections",
            f"""
            select scanner, preset, rule, count(*) as symbol_count
            from scanners.rejections
            where session_date = $session {of}
            group by all
            order by symbol_count desc, scanner, preset, rule
            """,
            session=session,
            **values,
        ),
        "records": panels.rows(
            "records",
            f"""
            select
                run_id,
                scanner,
                preset,
                setting,
                trade_count,
                session_count,
                win_rate,
                win_rate_low,
                win_rate_high,
                mean_trade_return,
                mean_trade_return_low,
                mean_trade_return_high,
                permutation_p_value,
                verdict
            from backtests.summary
            where setting in (
                select min_by(setting, {PLAINEST})
                from seeds.backtest_settings
                where setting in (select setting from backtests.summary)
                group by calendar
            ) {of}
            order by scanner, preset, setting
            """,
            **values,
        ),
    }


def _candidates(panels: Panels, name: str, session: object) -> list[Row]:
    rows = panels.rows(
        f"candidates.{name}",
        f"""
        select * exclude (rejected_by)
        from scanners.{identifier(name)}
        where session_date = $session and rejected_by is null
        order by preset, score desc, symbol
        """,
        session=session,
    )
    return [_candidate(name, row) for row in rows]


def _candidate(name: str, row: Row) -> Row:
    fixed = {*KEY, "last_price", "score", "signal_rank"}
    parts = {key: row[key] for key in row if key.endswith(PART_ENDINGS) and key not in fixed}
    return {
        "scanner": name,
        "preset": row["preset"],
        "cutoff_time": row["cutoff_time"],
        "symbol": row["symbol"],
        "direction": row.get("direction"),
        "last_price": row.get("last_price"),
        "score": row.get("score"),
        "signal_rank": row.get("signal_rank"),
        "parts": parts,
        "evidence": {
            key: value
            for key, value in row.items()
            if key not in fixed and key not in parts and value is not None
        },
    }
