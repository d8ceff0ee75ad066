"""The use of limits on Live is that which the loop checks with, on the shipped data."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from duckbourse.orders.order import Request, Side
from duckbourse.risk.checks import AccountContext, limits_used
from duckbourse.settings import settings
from duckbourse.trading import last_prices
from duckbourse.trading.publication import load
from duckbourse.trading.session_folder import SessionFolder
from duckbourse.trading.strategy import Context
from tests.support.market import DAY, Market, at, signal, tick
from tests.support.serving import serving
from tests.support.warehouse import Warehouse
from tests.unit.trading.test_strategies import At

ACCOUNT, SYMBOLS = "paper_us", ("AAPL", "JPM")


pytestmark = pytest.mark.some_day


def resting(context: Context) -> Request:
    return context.entry("rest", "JPM", Side.BUY, 50, limit_price=Decimal(98))


def test_live_counts_limits_as_the_loop_does(
    sample: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One symbol is held, another is ordered, and their risk is that of the loop's covariances."""
    folder = tmp_path / "trading" / ACCOUNT
    folder.mkdir(parents=True)
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        published = load(connection, ACCOUNT, DAY, frozenset())
    market = Market(
        folder,
        limits=published.limits,
        instruments={name: published.instruments[name] for name in SYMBOLS},
        signals=[signal("AAPL", position_pct=Decimal(8))],
        others={"resting": lambda: At((at(9, 46), resting))},
    )
    ticks = [tick(at(9, minute), 100, name) for minute in (45, 46, 47) for name in SYMBOLS]
    trader = market.trade(ticks, to_end=False)
    assert [len(trader.book.open_positions()), len(trader.book.open_entries)] == [1, 1]
    prices = {name: (Decimal(100), at(9, 47)) for name in SYMBOLS}
    last_prices.write(folder, DAY, SYMBOLS, prices)
    described = SessionFolder(
        account=ACCOUNT,
        session_date=DAY,
        calendar="XNYS",
        zone_name="America/New_York",
        capital_amount=published.limits.capital_amount,
        broker="paper",
    )
    (folder / "session.json").write_bytes(msgspec.json.encode(described))
    with monkeypatch.context() as changed:
        changed.setenv("BOURSE_DATA_DIR", str(tmp_path))
        settings.cache_clear()
        with serving(sample.file) as served:
            rows: list[dict[str, Any]] = served.get("/api/pages/live").json()["limits"]
    settings.cache_clear()
    context = AccountContext(
        trader.book,
        now=at(9, 47),
        limits=published.limits,
        instruments=published.instruments,
        prices=prices,
        covariances=published.covariances,
        charges=published.charges,
    )
    wanted = {use.code: float(use.value) / float(use.limit) for use in limits_used(context)}
    shown = {row["name"].partition(":")[0]: row["used"] / row["limit"] for row in rows}
    assert wanted["VAR"] > 0
    for code, name in {
        "VAR": "VaR",
        "ES": "Expected shortfall",
        "GROSS_AMOUNT": "Gross",
        "NET_AMOUNT": "Net",
        "SYMBOL_AMOUNT": "Largest symbol",
        "SECTOR_AMOUNT": "Largest sector",
        "POSITIONS": "Positions",
        "OPEN_ORDERS": "Open orders",
        "ORDER_AMOUNT": "Largest open entry",
        "MARGIN": "Margin",
        "TRADES": "Trades",
    }.items():
        assert shown[name] == pytest.approx(wanted[code], abs=1e-5), name
    assert shown["Gross"] == pytest.approx((7_900 + 4_900) / 200_000, abs=1e-5)
    assert shown["Positions"] == 2 / published.limits.max_positions
    names = {row["name"]: row["column"] for row in rows}
    assert len(names) == len(rows) == 18
    assert names["Largest symbol: AAPL"] == "max_symbol_pct"
