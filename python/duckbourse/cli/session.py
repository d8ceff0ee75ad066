"""The commands on a trading session: list, reconcile and export its book."""

from __future__ import annotations

import asyncio
import csv as csv_rows
import re
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from msgspec.structs import replace

from duckbourse.brokers.opening import BrokerSetup, broker_of
from duckbourse.cli.listing import Account
from duckbourse.cli.options import Csv, Day, Json, one_format
from duckbourse.cli.output import notes, print_csv_records, print_json, results
from duckbourse.cli.tables import columns_of, print_whole, table
from duckbourse.errors import (
    BourseError,
    ConfigurationError,
    JournalBusy,
    NotApplicable,
    TradingError,
)
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.events import Event, JournalSalvaged
from duckbourse.orders.journal import Journal, open_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import GRACE_SECONDS, Manager
from duckbourse.orders.order import Order, Reason
from duckbourse.orders.positions import Position
from duckbourse.orders.reconciliation import Reconciliation
from duckbourse.settings import PROJECT
from duckbourse.streaming.prices import Prices
from duckbourse.trading import last_prices
from duckbourse.trading.exits import entry_of_lost
from duckbourse.trading.export import export_fills
from duckbourse.trading.publication import charges_of
from duckbourse.trading.session_folder import (
    SIMULATED,
    SessionFolder,
    exports_of,
    faults_of_history,
    interruption,
    is_traded,
    latest,
    options_of,
    read,
    session_clock,
    sessions_of,
)
from duckbourse.warehouse import open_published
from duckbourse.words import counted

PORTFOLIOS = "seeds/reference/portfolios.csv"
CALENDARS = "seeds/calendars/calendars.csv"
# why an order was sent that is an entry for its sender, and opens nothing
REDUCE = "reduce"
# what is not written in lower case
CHECKED = {"VAR": "VaR", "VAR_UNAVAILABLE": "VaR unavailable", "ES": "ES"}


class What(StrEnum):
    export = "export"


def orders(account: Account = None, day: Day = None, json: Json = False, csv: Csv = False) -> None:
    """
    List every order of an account's session with its state: denied, sent, filled and so on.

    `sent` is exchange-local. `reason` is why it was sent: an entry, the kind of exit, or `reduce`,
    an order that only closes what its strategy holds. `left` is what may still fill. `message` is
    why a check denied it or the loop cancelled it, or the broker's word; --json and --csv have it
    as it was written down.

    Examples:

    - `./bourse orders`
    - `./bourse orders --account paper_us --date 2010-05-28 --json`
    """
    session = _chosen(account, day)
    book, _ = read(session)
    zone = ZoneInfo(session.zone_name)
    earlier = {name for name in book.carried_orders if not book.orders[name].state.is_live}
    rows = [
        {
            "sent": f"{order.sent_at.astimezone(zone):%H:%M:%S}" if order.sent_at else "",
            "order_id": order.request.order_id,
            "strategy": order.request.strategy,
            "reason": _why_sent(book, order),
            "symbol": order.request.symbol,
            "side": str(order.request.side),
            "quantity": order.request.quantity,
            "filled": order.filled_quantity,
            "left": order.open_quantity if order.state.is_live else 0,
            "limit_price": order.request.limit_price,
            "trigger_price": order.request.trigger_price,
            "average_price": order.average_price,
            "state": str(order.state),
            "message": order.why if json or csv else _in_words(order),
        }
        for order in book.orders.values()
        if order.request.order_id not in earlier
    ]
    _print(f"{_name(session)}: {counted(len(rows), 'order')}", rows, json, csv)


def positions(
    account: Account = None, day: Day = None, json: Json = False, csv: Csv = False
) -> None:
    """
    List an account's positions by strategy: last price, profit, stop and target of what is open.

    Each strategy has a book of its own: one may hold what another sold short, and the account then
    holds the difference. Orders by hand are those of `by_hand`.

    `last price` is that of `last at`, exchange-local: of about a second ago while a loop runs, else
    the last one that it had. `stop price` is the one that is nearest, of stops and trailing stops.
    Amounts are before charges: `realized amount` by average cost, `realized fifo amount`
    first in first out. `round trips` counts how often a position was opened and closed again.

    Examples:

    - `./bourse positions`
    - `./bourse positions --account paper_us --json`
    """
    session = _chosen(account, day)
    book, recorded = read(session)
    if left := interruption(session, book, recorded):
        notes.print(f"{_name(session)}: {left}", markup=False, style="red")
    prices = last_prices.read(session.path, session.session_date)
    zone = ZoneInfo(session.zone_name)
    rows = [
        {
            "strategy": strategy,
            "symbol": held.symbol,
            "product": str(held.product),
            "quantity": held.quantity,
            "average_price": held.average_price,
            **_open_figures(book, strategy, held, prices, zone),
            "realized_amount": held.realized_amount,
            "realized_fifo_amount": held.realized_fifo_amount,
            "charges_amount": held.charges_amount,
            "round_trips": held.round_trip_count,
        }
        for strategy, held in sorted(
            book.strategy_positions(),
            key=lambda each: (not each[1].quantity, each[1].symbol, each[0]),
        )
    ]
    _print(f"{_name(session)}: {len(book.open_positions())} held", rows, json, csv)


def _open_figures(
    book: Book, strategy: str, held: Position, prices: Prices, zone: ZoneInfo
) -> dict[str, Any]:
    """Return what is known of a position that is open; None of one that is closed."""
    last = book.last_price(held.symbol, prices) if held.quantity else None
    is_timed = last is not None and held.symbol in prices
    entries = [
        order
        for order in book.held_entries()
        if (order.request.strategy, order.request.symbol, order.request.product)
        == (strategy, held.symbol, held.product)
    ]
    sign = 1 if held.quantity > 0 else -1
    stops, targets = [], []
    for order in entries:
        wanted, best = order.request.exits, book.best_price.get(order.request.order_id)
        if wanted is None:
            continue
        stops += [wanted.stop_price] if wanted.stop_price is not None else []
        targets += [wanted.target_price] if wanted.target_price is not None else []
        best = best or order.average_price
        if wanted.trail_distance is not None and best is not None:
            stops.append(best - sign * wanted.trail_distance)
    return {
        "last_price": last,
        "last_at": f"{prices[held.symbol][1].astimezone(zone):%H:%M:%S}" if is_timed else None,
        "unrealized_amount": None if last is None else held.unrealized_amount(last),
        "stop_price": max(stops, key=lambda price: price * sign, default=None),
        "target_price": min(targets, key=lambda price: price * sign, default=None),
    }


def pnl(
    account: Account = None,
    day: Day = None,
    by_strategy: Annotated[
        bool, typer.Option("--by-strategy", help="One row per strategy.")
    ] = False,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    Show the profit and loss of a session: cash, positions at cost, realized and unrealized amount,
    charges, dividends, interest.

    `realized amount` is what was closed in the session gained since it was opened, in whatever
    session, and `net realized amount` that less the charges of the session: those of an earlier one
    are in its own. Over all sessions, capital, `net realized amount`, dividends and interest add up
    to cash and `held at cost amount`. The net profit that `trade` prints at its end is that of the
    session, with what open positions gained in it. `held at cost amount` is what the open positions
    were bought for, and `unrealized amount` what they have gained since, at the last prices; it is
    empty if one has none. `won` counts the round trips that made a net profit; by strategy, it is
    left out, and so are dividends and interest.

    An account nets what its strategies hold of a symbol: what one bought and another sold short is
    no position of the account. So the round trips of the strategies may be more than its own.

    Examples:

    - `./bourse pnl`
    - `./bourse pnl --by-strategy`
    - `./bourse pnl --account paper_us --date 2010-05-28 --json`
    """
    session = _chosen(account, day)
    book, _ = read(session)
    _name_faults(session)
    prices = last_prices.read(session.path, session.session_date)
    if by_strategy:
        of_strategies: dict[str, list[Position]] = {}
        for strategy, held in book.strategy_positions():
            of_strategies.setdefault(strategy, []).append(held)
        rows = [
            {"strategy": name} | _sums(book, of_strategies[name], prices)
            for name in sorted(of_strategies)
        ]
        _print(_name(session), rows, json, csv)
        return
    round_trips = book.session_round_trips()
    row = {
        "state": str(book.state),
        "capital_amount": book.capital_amount,
        "cash_amount": book.cash_amount,
        "equity_amount": book.equity_amount(prices),
        **_sums(book, book.positions.values(), prices),
        "dividend_amount": book.dividend_amount,
        "interest_amount": book.interest_amount,
        "round_trips": len(round_trips),
        "won": sum(1 for round_trip in round_trips if round_trip > 0),
    }
    _print(_name(session), [row], json, csv)
    symbols = [each.symbol for each in book.open_positions()]
    if unmarked := [each for each in symbols if book.last_price(each, prices) is None]:
        notes.print(f"without a last price, and so valued at cost: {', '.join(unmarked)}")


def _sums(book: Book, positions: Iterable[Position], prices: Prices) -> dict[str, Any]:
    held = list(positions)
    marked = [(each, book.last_price(each.symbol, prices)) for each in held if each.quantity]
    gains = [each.unrealized_amount(last) for each, last in marked if last is not None]
    realized = sum((each.realized_amount for each in held), Decimal(0))
    charges = sum((each.charges_amount for each in held), Decimal(0))
    return {
        "held_at_cost_amount": sum((each.cost_amount for each in held), Decimal(0)),
        "realized_amount": realized,
        "unrealized_amount": sum(gains, Decimal(0)) if len(gains) == len(marked) else None,
        "charges_amount": charges,
        "net_realized_amount": realized - charges,
        "round_trips": sum(each.round_trip_count for each in held),
    }


def reconcile(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Rebuild the book from the journal, query the broker, and list the differences.

    A damaged journal is kept under another name; a new one continues with its readable events.

    Examples:

    - `./bourse reconcile`
    - `./bourse reconcile --account paper_us --json`
    """
    session = _chosen(account, day)
    if session != (last := latest(session.account, None)):
        raise ConfigurationError(
            f"{session.account} has traded {last.session_date} since {session.session_date}",
            "omit --date: what the account holds now is compared",
        )
    if is_traded(session):
        raise JournalBusy(
            f"{session.account} is trading, and its loop compares the account with the broker",
            "`./bourse account show` has its state; to compare by hand, stop the loop first,"
            " with Ctrl-C where it runs",
        )
    _name_faults(session)
    with ExitStack() as stack:
        log, recorded, book = _opened(session)
        stack.callback(log.close)
        salvaged = [
            f"unreadable from row {event.first_lost_row}, kept as {event.kept_as}"
            for event in recorded
            if isinstance(event, JournalSalvaged)
        ]
        try:
            with open_published() as published:
                charges = charges_of(published, session.account)
        except BourseError as error:  # fills that are found now would be booked without charges
            repaired = f"the journal can be read{''.join(f', {line}' for line in salvaged)}"
            raise type(error)(
                f"{repaired}; it is not compared with the broker: {error}", error.remedy
            ) from error
        setup = BrokerSetup(session.account, session.path, session.capital_amount, charges=charges)
        broker = broker_of(session.broker)(setup)
        stack.callback(broker.close)
        manager = Manager(
            book,
            log,
            broker,
            check=lambda *_: None,
            charges=charges,
            # the records of a simulated broker do not lag
            grace_seconds=0 if broker.capabilities.is_simulated else GRACE_SECONDS,
        )
        manager.entry_of_lost = partial(entry_of_lost, book, session.account, session.session_date)
        with session_clock(session, recorded):
            differences = asyncio.run(Reconciliation(manager).recover())
    if json:
        print_json(
            {
                "account": session.account,
                "session_date": session.session_date,
                "events": book.event_count,
                "orders": len(book.orders),
                "fills": len(book.fills),
                "differences": differences,
                "salvaged": salvaged,
            }
        )
    else:
        results.print(
            f"{_name(session)}: {counted(book.event_count, 'event')},"
            f" {counted(len(book.orders), 'order')}, {counted(len(book.fills), 'fill')},"
            f" {counted(len(differences), 'difference')}"
        )
        for line in [*salvaged, *differences]:
            results.print(f"  {line}", markup=False)
    if differences:
        raise TradingError(
            f"{session.account} and its broker have {counted(len(differences), 'difference')}",
            "find out which is right; nothing is traded while they differ",
        )


def _name_faults(session: SessionFolder) -> None:
    with suppress(BourseError):  # a journal that cannot be read is reported by whoever needs it
        for fault in faults_of_history(session):
            notes.print(fault, markup=False, style="red")


def _opened(session: SessionFolder) -> tuple[Journal, list[Event], Book]:
    """Open a journal with its book; what cannot be applied counts as damaged."""
    log, recorded = open_journal(session.path)
    try:
        return log, recorded, rebuild_book(session.capital_amount, recorded, lambda _: None)
    except NotApplicable as error:
        log.close()
        log, recorded = open_journal(session.path, most_rows=error.number - 1)
    try:
        return log, recorded, rebuild_book(session.capital_amount, recorded, lambda _: None)
    except BaseException:
        log.close()
        raise


def journal(
    what: Annotated[What, typer.Argument(help="export: write the fills as Parquet.")],
    account: Account = None,
    day: Day = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every session of the account, not only the last one.")
    ] = False,
) -> None:
    """
    Write the fills of an account's session to `data/raw/fills`, and its cash movements to
    `data/raw/cash`, where dbt reads them as a portfolio.

    A session of simulated prices is not exported: dbt would value its fills at the real closes.
    The same fills give the same file. An account is a portfolio if `portfolios.csv` has a row for
    it with `source` `fills`. Sessions that were never exported are named.

    Examples:

    - `./bourse journal export`
    - `./bourse journal export --account paper_us --date 2010-05-28`
    - `./bourse journal export --account paper_us --all`
    """
    if everything and day:
        raise ConfigurationError("--all cannot be used with --date", "omit one of them")
    chosen = _chosen(account, day)
    known = [
        replace(chosen, session_date=each) for each in sessions_of(latest(chosen.account, None))
    ]
    simulated = list[SessionFolder]()
    for session in known if everything else [chosen]:
        _, recorded = read(session)
        if SIMULATED in options_of(session, recorded):
            simulated.append(session)
            if everything:
                continue
            raise ConfigurationError(
                f"{_name(session)} was traded on simulated prices ({SIMULATED}), which dbt does not"
                " have: a portfolio would value its fills at the real closes",
                "export a session of the minutes, of recorded ticks or of Kite's",
            )
        path, count = export_fills(session, recorded)
        results.print(f"{counted(count, 'fill')} of {_name(session)}: {path}")
        if (of_cash := exports_of(session)[1]).exists():
            results.print(f"cash movements of {_name(session)}: {of_cash}")
    if simulated:
        notes.print(
            f"not exported, since dbt has no simulated prices: {', '.join(map(_name, simulated))}",
            style="yellow",
        )
    left = [each for each in known if not exports_of(each)[0].exists() and each not in simulated]
    if left:
        notes.print(
            f"{counted(len(left), 'session')} of {chosen.account} not exported yet, such as"
            f" {left[0].session_date}: --all exports all"
        )
    notes.print("`./bourse build` loads them into the portfolio of the account's name")
    if row := _missing_portfolio(chosen):
        notes.print(f"{PORTFOLIOS} has no row of {chosen.account}; append this one first:")
        notes.print(row, markup=False, highlight=False, soft_wrap=True)  # to be pasted


def _missing_portfolio(session: SessionFolder) -> str:
    """Return the row that makes an account a portfolio; empty if the seed has one."""
    if any(row["portfolio"] == session.account for row in _seed(PORTFOLIOS)):
        return ""
    [calendar] = [row for row in _seed(CALENDARS) if row["calendar"] == session.calendar]
    account, capital = session.account, f"{session.capital_amount:f}"
    money = f"{capital},{calendar['currency']},{session.calendar}"
    # its fills have their own charges, and it is compared with no benchmark
    return f"{account},Fills of the account {account},fills,0,{money},,0,0,false"


def _seed(path: str) -> list[dict[str, str]]:
    with (PROJECT / path).open() as seed:
        return list(csv_rows.DictReader(seed))


def _chosen(account: str | None, day: datetime | None) -> SessionFolder:
    return latest(account, day.date() if day else None)


def _name(session: SessionFolder) -> str:
    return f"{session.account} on {session.session_date}"


def _why_sent(book: Book, order: Order) -> str:
    reason = order.request.reason
    is_reducing = reason is Reason.ENTRY and book.only_reduces(order)
    return REDUCE if is_reducing else str(reason)


def _in_words(order: Order) -> str:
    """Return the message of an order; of a denied one, the check and its numbers in words."""
    if order.state is not State.DENIED:
        return order.why
    code, _, detail = order.message.partition(": ")
    found = re.sub(r"(\w+)=([^,]+), max_\1=", r"\1=\2, and the limit is ", detail)
    found = re.sub(r"\b(\w+)=", lambda name: f"{name[1].replace('_', ' ')} ", found)
    check = CHECKED.get(code, code.lower().replace("_", " "))
    return found if found.startswith(f"{check} ") else f"{check}: {found}"


def _print(title: str, rows: list[dict[str, Any]], json: bool, csv: bool) -> None:
    one_format(json=json, csv=csv)
    if json:
        print_json(rows)
        return
    if csv:
        print_csv_records(rows)
        return
    results.print(title, style="bold", markup=False)
    if rows:
        print_whole(table(columns_of(rows), rows))
    else:
        results.print("none")
