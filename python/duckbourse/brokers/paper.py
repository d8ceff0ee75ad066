"""
A simulated broker: it fills orders on the ticks of the feed, and no money moves.

An order becomes active after `latency_ms`, and a modification at once. A market order, and a limit
order whose limit the price has crossed, fills at the tick's price, worsened by the slippage but
never beyond its limit. A limit order at exactly the tick's price waits, since others are ahead of
it in the queue. Fills on one tick take at most `max_participation_pct` of its volume, so large
orders fill in parts. The unfilled rest of an IOC order is cancelled. All random draws come from the
seed.

The broker keeps its own order book, which outlives the process: one line of JSON per report in
`paper.jsonl`. It is that of one session; its first line is what the account held before. What the
disk does not take, as when it is full, waits in memory and is written first as soon as it can be.
Until then no entry is taken or filled, and exits are, in memory.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from io import FileIO
from pathlib import Path

import msgspec
import structlog
from msgspec.structs import replace

from duckbourse import clock, disk
from duckbourse.errors import BrokerError, BrokerRejected
from duckbourse.orders.broker import (
    Broker,
    Capabilities,
    Funds,
    Holding,
    OrderReport,
    TradeReport,
    Update,
)
from duckbourse.orders.charges import Charges, fill_charges
from duckbourse.orders.events import Carried, CashMoved, CorporateActionApplied
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import (
    Fill,
    OrderType,
    Product,
    Reason,
    Request,
    Side,
    Validity,
    fill_key_of,
)
from duckbourse.orders.positions import Position, after_action
from duckbourse.streaming.feed import Tick

log = structlog.get_logger()

FILE = "paper.jsonl"
ZERO = Decimal(0)


class FillRules(msgspec.Struct, frozen=True, kw_only=True):
    """Fill rules; `reject_ratio` is the fraction of orders rejected at random."""

    latency_ms: int = 50
    slippage_bps: Decimal = Decimal(2)
    max_participation_pct: Decimal = Decimal(10)
    reject_ratio: float = 0.0
    seed: int = 1


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What the account held when a session began; orders and trades are numbered on."""

    session_date: date
    cash_amount: Decimal
    holdings: list[tuple[str, Product, int]]
    order_count: int
    trade_count: int
    cash_ids: list[str] = []


class Line(msgspec.Struct, omit_defaults=True):
    report: OrderReport | None = None
    trade: TradeReport | None = None
    validity: Validity = Validity.DAY
    opening: Opening | None = None
    # an amount that was paid in, or withdrawn if negative, and its id
    cash_amount: Decimal | None = None
    cash_id: str = ""


class PaperBroker(Broker):
    """
    One account at the paper broker.

    `tick_sizes` maps each tradable symbol to its tick size. It charges what the schedule `charges`
    says.
    """

    name = "paper"
    # it dies with this process, so a stop that rests here protects nothing while the loop is down
    capabilities = Capabilities(
        order_types=frozenset(OrderType),
        products=frozenset(Product),
        validities=frozenset(Validity),
        is_simulated=True,
    )

    def __init__(
        self,
        folder: Path,
        tick_sizes: dict[str, Decimal],
        capital_amount: Decimal,
        rules: FillRules,
        charges: tuple[Charges, ...] = (),
    ) -> None:
        self._charges = charges
        self._path = folder / FILE
        self._tick_sizes = tick_sizes
        self._rules = rules
        self._random = random.Random(rules.seed)
        self._orders: dict[str, OrderReport] = {}
        self._validity: dict[str, Validity] = {}
        self._trades: list[TradeReport] = []
        self._open: dict[str, set[str]] = {}
        # the exits of this process, which are filled also if the disk is full
        self._exits: set[str] = set()
        self._outbox: asyncio.Queue[Update] = asyncio.Queue()
        self._opening = Opening(
            session_date=date.min,
            cash_amount=capital_amount,
            holdings=[],
            order_count=0,
            trade_count=0,
        )
        self._cash: dict[str, Decimal] = {}
        # the bytes that the disk has not taken yet
        self._unwritten = bytearray()
        self._is_failing = False
        self._read()
        disk.private_folder(folder)
        self._file = self._opened()

    # the Broker interface

    async def place(self, request: Request) -> str:
        if request.symbol not in self._tick_sizes:
            raise BrokerRejected(f"{request.symbol} is not traded here")
        if self._random.random() < self._rules.reject_ratio:
            raise BrokerRejected("rejected at random")
        if request.reason is Reason.ENTRY and not self._flush():
            raise BrokerRejected("the paper broker's book cannot be written")
        broker_order_id = f"P{self._opening.order_count + len(self._orders) + 1:06}"
        if request.reason is not Reason.ENTRY:
            self._exits.add(broker_order_id)
        is_stop = request.order_type in (OrderType.SL, OrderType.SL_M)
        self._report(
            OrderReport(
                broker_order_id=broker_order_id,
                order_id=request.order_id,
                symbol=request.symbol,
                side=request.side,
                product=request.product,
                order_type=request.order_type,
                quantity=request.quantity,
                limit_price=request.limit_price,
                trigger_price=request.trigger_price,
                state=State.TRIGGER_PENDING if is_stop else State.OPEN,
                at=clock.now(),
            ),
            request.validity,
        )
        return broker_order_id

    async def cancel(self, broker_order_id: str) -> None:
        report = self._live(broker_order_id)
        self._report(replace(report, state=State.CANCELLED, at=clock.now()))

    async def modify(self, broker_order_id: str, request: Request) -> None:
        report = self._live(broker_order_id)
        if request.quantity < report.filled_quantity:
            raise BrokerRejected(
                f"{broker_order_id}: quantity={request.quantity}, filled={report.filled_quantity}"
            )
        self._report(
            replace(
                report,
                quantity=request.quantity,
                limit_price=request.limit_price,
                trigger_price=request.trigger_price,
            )
        )

    async def orders(self) -> Sequence[OrderReport]:
        return list(self._orders.values())

    async def trades(self) -> Sequence[TradeReport]:
        return list(self._trades)

    async def positions(self) -> Sequence[Holding]:
        net: Counter[tuple[str, Product]] = Counter()
        for symbol, product, quantity in self._opening.holdings:
            net[symbol, product] += quantity
        for trade in self._trades:
            net[trade.fill.symbol, trade.fill.product] += trade.fill.signed_quantity
        return [
            Holding(symbol=symbol, product=product, quantity=held)
            for (symbol, product), held in net.items()
            if held
        ]

    async def funds(self) -> Funds:
        paid = sum(
            (
                trade.fill.signed_quantity * trade.fill.price + (trade.charges_amount or ZERO)
                for trade in self._trades
            ),
            ZERO,
        )
        cash = self._opening.cash_amount + sum(self._cash.values(), ZERO) - paid
        return Funds(cash_amount=cash, has_charges=True)

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            yield await self._outbox.get()

    # driven by the market

    def symbols(self) -> set[str]:
        """Return the symbols whose ticks may fill an order."""
        return {symbol for symbol, found in self._open.items() if found}

    async def on_ticks(self, ticks: list[Tick]) -> None:
        """Fill the orders that these ticks can fill, and let the account know."""
        for tick in ticks:
            self.on_tick(tick)
        if not self._outbox.empty():
            await asyncio.sleep(0)

    async def on_end(self) -> None:
        """Expire all open orders."""
        self.end_session()
        await asyncio.sleep(0)

    def on_tick(self, tick: Tick) -> None:
        """Fill the orders that this tick can fill."""
        available = max(0, int(tick.quantity * self._rules.max_participation_pct / 100))
        for broker_order_id in sorted(self._open.get(tick.symbol, ())):
            report = self._orders[broker_order_id]
            # a clock that was set back since measures no latency
            if report.at is None or (
                tick.at < report.at + timedelta(milliseconds=self._rules.latency_ms)
                and clock.now() >= report.at
            ):
                continue
            if report.state is State.TRIGGER_PENDING:
                if not _is_triggered(report, tick.price):
                    continue
                report = replace(report, state=State.OPEN)
                self._report(report)
            price = self._price(report, tick)
            quantity = min(available, report.quantity - report.filled_quantity) if price else 0
            if quantity and broker_order_id not in self._exits and not self._flush():
                quantity = 0
            if price and quantity:
                available -= quantity
                report = self._fill(report, quantity, price, tick.at)
            if self._validity[broker_order_id] is Validity.IOC and report.state.is_live:
                self._report(replace(report, state=State.CANCELLED))

    def end_session(self) -> None:
        """Expire all open orders."""
        for report in list(self._orders.values()):
            if report.state.is_live:
                self._report(replace(report, state=State.EXPIRED))

    async def begin_session(
        self,
        session_date: date,
        applied: Sequence[CorporateActionApplied],
        *,
        keep: frozenset[str] = frozenset(),
        instead: Carried | None = None,
        archive: Path | None = None,
    ) -> None:
        """
        Begin a session with what is held, after these corporate actions.

        Orders of the session before have expired, and only those of ours in `keep` are still
        reported, with their trades. An account that begins again from an earlier state has
        `instead`. The former file goes to `archive`.
        """
        if instead is None and self._opening.session_date == session_date:
            return
        self.end_session()
        held = [(each.symbol, each.product, each.quantity) for each in await self.positions()]
        cash = (await self.funds()).cash_amount
        orders, trades = list(self._orders.values()), self._trades
        cash_ids = [*self._opening.cash_ids, *self._cash]
        if instead is not None:
            held = [(each.symbol, each.product, each.quantity) for each in instead.positions]
            cash, keep = instead.cash_amount, frozenset()
            cash_ids = list(instead.cash_ids)
        net: Counter[tuple[str, Product]] = Counter()
        for symbol, product, quantity in held:
            position = Position(symbol=symbol, product=product, quantity=quantity)
            for event in applied:
                if event.action.symbol == symbol and position.quantity:
                    position, received = after_action(position, event.action, event.price)
                    cash += received
            net[symbol, product] += position.quantity
        kept = [report for report in orders if report.order_id in keep]
        of_kept = {report.broker_order_id for report in kept}
        kept_trades = [trade for trade in trades if trade.broker_order_id in of_kept]
        for trade in kept_trades:
            fill = trade.fill
            net[fill.symbol, fill.product] -= fill.signed_quantity
            cash += fill.signed_quantity * fill.price + (trade.charges_amount or ZERO)
        opening = Opening(
            session_date=session_date,
            cash_amount=cash,
            holdings=[(symbol, product, count) for (symbol, product), count in net.items()],
            order_count=self._opening.order_count + len(orders) - len(kept),
            trade_count=self._opening.trade_count + len(trades) - len(kept_trades),
            cash_ids=cash_ids,
        )
        lines = [
            Line(opening=opening),
            *(
                Line(report=report, validity=self._validity[report.broker_order_id])
                for report in kept
            ),
            *(Line(trade=trade) for trade in kept_trades),
        ]
        self.close()
        if archive is not None and self._path.exists():
            content = gzip.compress(self._path.read_bytes(), 6, mtime=0)
            disk.write_private(archive, content)
        disk.write_private(
            self._path, b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        )
        self._orders, self._validity, self._trades = {}, {}, []
        self._open, self._cash = {}, {}
        self._outbox = asyncio.Queue()
        self._unwritten.clear()  # it is in the opening
        self._read()
        self._file = self._opened()

    def move_cash(self, moved: CashMoved) -> None:
        """Pay in, or out if negative; an amount that was moved before is not moved again."""
        if moved.cash_id not in self._cash and moved.cash_id not in self._opening.cash_ids:
            self._cash[moved.cash_id] = moved.amount
            self._write(Line(cash_amount=moved.amount, cash_id=moved.cash_id))

    def _opened(self) -> FileIO:
        # without a buffer: what is written survives a kill of the process
        return open(self._path, "ab", buffering=0, opener=disk.private)

    def close(self) -> None:
        if not self._file.closed:
            self._flush()
            self._file.close()

    def _send(self, update: Update) -> None:
        self._outbox.put_nowait(update)

    def _price(self, report: OrderReport, tick: Tick) -> Decimal | None:
        """Return the price at which a tick fills an order, or None if it does not."""
        limit, sign = report.limit_price, report.side.sign
        is_passive = report.order_type in (OrderType.LIMIT, OrderType.SL)
        if limit is not None and (tick.price - limit) * sign > 0:
            return None
        if is_passive and limit is not None and tick.price == limit:
            return None  # orders ahead in the queue are filled first
        slipped = tick.price * (1 + sign * self._rules.slippage_bps / 10_000)
        step = self._tick_sizes[report.symbol]
        rounding = ROUND_CEILING if report.side is Side.BUY else ROUND_FLOOR
        price = (slipped / step).to_integral_value(rounding) * step
        if limit is not None and (price - limit) * sign > 0:
            price = limit
        return price

    def _fill(
        self, report: OrderReport, quantity: int, price: Decimal, at: datetime
    ) -> OrderReport:
        broker_order_id = report.broker_order_id
        before = [one for one in self._trades if one.broker_order_id == broker_order_id]
        paid = sum((one.fill.quantity * one.fill.price for one in before), ZERO)
        charged = sum((one.charges_amount or ZERO for one in before), ZERO)
        trade_id = f"T{self._opening.trade_count + len(self._trades) + 1:06}"
        fill = Fill(
            fill_key=fill_key_of(self.name, _day(at), "paper", broker_order_id, trade_id),
            order_id=report.order_id or "",
            symbol=report.symbol,
            side=report.side,
            product=report.product,
            quantity=quantity,
            price=price,
            filled_at=at,
        )
        owed = self._charges_of(fill, report.filled_quantity, paid, charged)
        trade = TradeReport(broker_order_id=broker_order_id, fill=fill, charges_amount=owed)
        self._trades.append(trade)
        filled = report.filled_quantity + quantity
        report = replace(
            report,
            filled_quantity=filled,
            average_price=(paid + price * quantity) / filled,
            state=State.FILLED if filled >= report.quantity else State.PARTIAL,
        )
        validity = self._validity[report.broker_order_id]
        self._store(report, validity)
        # one line: a kill between two would leave the trade and an order that fills again
        self._write(Line(report=report, trade=trade, validity=validity))
        self._send(trade)
        self._send(report)
        return report

    def _charges_of(
        self, fill: Fill, quantity: int, amount: Decimal, charges_amount: Decimal
    ) -> Decimal:
        return fill_charges(self._charges, fill, quantity, amount, charges_amount)

    def _live(self, broker_order_id: str) -> OrderReport:
        report = self._orders.get(broker_order_id)
        if report is None or not report.state.is_live:
            raise BrokerRejected(f"{broker_order_id} is not open")
        return report

    def _report(self, report: OrderReport, validity: Validity | None = None) -> None:
        validity = validity or self._validity[report.broker_order_id]
        self._store(report, validity)
        self._write(Line(report=report, validity=validity))
        self._send(report)

    def _store(self, report: OrderReport, validity: Validity) -> None:
        broker_order_id = report.broker_order_id
        self._orders[broker_order_id] = report
        self._validity[broker_order_id] = validity
        of_symbol = self._open.setdefault(report.symbol, set())
        (of_symbol.add if report.state.is_live else of_symbol.discard)(broker_order_id)

    def _write(self, line: Line) -> None:
        self._unwritten += msgspec.json.encode(line) + b"\n"
        self._flush()

    def _flush(self) -> bool:
        """Write what waits; return whether the disk has taken all of it."""
        while self._unwritten:
            try:
                del self._unwritten[: self._file.write(self._unwritten)]
            except OSError as error:
                if not self._is_failing:
                    log.error(
                        "the paper broker's book is not written",
                        file=str(self._path),
                        error=str(error),
                    )
                self._is_failing = True
                return False
        self._is_failing = False
        return True

    def _read(self) -> None:
        if not self._path.exists():
            return
        whole = 0
        # a line ends with \n only: what a damaged one has in it must not end the file
        for text in io.BytesIO(self._path.read_bytes()):
            if not text.endswith(b"\n"):
                os.truncate(self._path, whole)  # truncated by a kill: it was never reported
                break
            whole += len(text)
            line = self._decoded(text)
            if line.opening is not None:
                self._opening = line.opening
            if line.cash_amount is not None:
                self._cash[line.cash_id] = line.cash_amount
            if line.report is not None:
                self._store(line.report, line.validity)
            if line.trade is not None:
                self._trades.append(line.trade)

    def _decoded(self, text: bytes) -> Line:
        try:
            return msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError) as error:
            raise BrokerError(
                f"a line of the paper broker's book {self._path} is damaged: {error}",
                "restore it from a backup: `./bourse restore --help`",
            ) from error


def _is_triggered(report: OrderReport, price: Decimal) -> bool:
    return report.trigger_price is not None and (
        (price - report.trigger_price) * report.side.sign >= 0
    )


def _day(at: datetime) -> date:
    return at.date()
