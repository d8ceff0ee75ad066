"""Signals with what followed them."""

from __future__ import annotations

from duckbourse.pages.asking import Panels, Row, one_of
from duckbourse.warehouse import SCANNERS

SIGNALS = """
select
    signal_id,
    scanner,
    preset,
    session_date,
    known_ts,
    symbol,
    direction,
    score,
    signal_rank,
    signal_price,
    stop_price,
    target_price,
    adjustment_factor,
    reward_risk_ratio,
    exit_time,
    evidence_map as evidence,
    entry_ts,
    outcomes.entry_price,
    exit_ts,
    exit_price,
    exit_reason,
    missing_reason,
    gross_return,
    net_return,
    max_favorable_return,
    max_adverse_return,
    source
from serving.signals_with_outcomes as outcomes
inner join (select signal_id, exit_time from scanners.signals) using (signal_id)
where {where}
order by known_ts, scanner, preset, signal_rank, symbol
"""


def signals_where(
    panels: Panels, where: str, scanner: str | None = None, /, **values: object
) -> list[Row]:
    """Return the signals that meet a condition of SQL, oldest first, of all scanners or of some."""
    if scanner is not None:
        where += " and list_contains($scanners, scanner)"
        values["scanners"] = scanners_of(panels, scanner)
    return panels.rows("signals", SIGNALS.format(where=where), **values)


def scanners_of(panels: Panels, wanted: str | None) -> list[str]:
    """Return the scanners and filters of the publication, or those wanted, split by commas."""
    known = panels.values(SCANNERS)
    names = dict.fromkeys(wanted.split(",")) if wanted is not None else known
    return [one_of("scanner", name, known) for name in names]
