"""What a terminal shows while a session is traded, and after it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from duckbourse import clock
from duckbourse.cli import trade
from tests.support.market import Market, at, tick


def test_the_profit_of_the_day_is_drawn_while_it_is_traded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Market(tmp_path)
    ticks = [tick(at(9, 45, second), 100 + second) for second in range(5)]
    shown = io.StringIO()
    monkeypatch.setattr(trade, "notes", Console(file=shown, force_terminal=True, width=200))
    monkeypatch.setattr(trade, "REFRESHED_PER_SECOND", 1e9)
    screen = trade._Screen(market.publication(), market.feed(ticks), None, trade.PAPER)
    with clock.driven_by(lambda: at(9, 46)), screen:
        market.trade(ticks, at_tick=dict.fromkeys(range(1, 6), screen.show), to_end=False)
    assert screen.day_pnl.values[-1] > screen.day_pnl.values[0] == 0
    assert "P&L of the day ▁" in shown.getvalue()
    assert "█" in shown.getvalue()
    trade._draw_day(screen.day_pnl.values)
    assert f"{screen.day_pnl.values[-1]:+,.2f}" in capsys.readouterr().out
    trade._draw_day([])
    assert capsys.readouterr().out == ""
