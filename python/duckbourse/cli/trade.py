"""`./bourse trade`: run the trading loop on a session's ticks with the paper broker."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from duckbourse import clock, plugins
from duckbourse.brokers.opening import BrokerSetup, at_venue, broker_of
from duckbourse.cli.listing import completed
from duckbourse.cli.minutes import note_synthetic
from duckbourse.cli.options import one_preset
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.pictures import Curve, curve, is_drawn, sparkline
from duckbourse.cli.tables import Column, columns_of, print_whole, table, text
from duckbourse.errors import ConfigurationError, PositionsLeft, StrategyStopped, TradingError
from duckbourse.orders.book import Book
from duckbourse.orders.bus import Message
from duckbourse.orders.downgrade import BY_RECONCILIATION as RECONCILIATION
from duckbourse.orders.downgrade import BY_STRATEGIES
from duckbourse.orders.events import StrategyFailed, TradingState
from duckbourse.orders.journal import lock_folder
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Product, Reason, Request
from duckbourse.risk.checks import open_checks
from duckbourse.streaming.live import LiveSession
from duckbourse.streaming.prices import LastPrices
from duckbourse.streaming.replay import Replay
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.trading import session_folder as session_folders
from duckbourse.trading.commands import listed
from duckbourse.trading.feeds import Source, kite_access, open_feed, start_recorder
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication, Publications, session_today
from duckbourse.trading.requests import lifted_by
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session import SessionConfig, TradingSession, refuse, unwatched
from duckbourse.trading.strategies import GROUP, Strategies, misspelled, open_strategies
from duckbourse.trading.strategy import Context, SignalStrategy, Strategy
from duckbourse.trading.subscribers import open_subscribers
from duckbourse.warehouse import open_published
from duckbourse.words import counted, shortened

REFRESHED_PER_SECOND = 5
PAPER = "paper"
SPARK_COLUMNS = 60
SEED = 1


def _colored(amount: Decimal) -> str:
    return f"[{'green' if amount >= 0 else 'red'}]{text(amount)}[/]"


POSITIONS = (
    Column("symbol", "symbol", justify="left"),
    Column("quantity", "quantity"),
    Column("average", "average"),
    Column("last", "last"),
    Column("unrealized", "unrealized", _colored),
)


def trade(
    account: Annotated[
        str,
        typer.Option(
            help="Account, a row of trading_accounts.csv.",
            metavar="NAME",
            autocompletion=completed("accounts"),
        ),
    ] = "paper_us",
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date", formats=["%Y-%m-%d"], help="Session to replay.", show_default="the latest"
        ),
    ] = None,
    feed: Annotated[
        Source,
        typer.Option(
            help="The session's minute bars, recorded ticks, simulated ticks, or Kite's stream."
        ),
    ] = Source.MINUTES,
    instruments: Annotated[
        Path | None,
        typer.Option(help="Kite's instrument list, for --feed zerodha.", metavar="FILE"),
    ] = None,
    scan: Annotated[
        bool,
        typer.Option("--scan", help="Scan live instead of using the published signals."),
    ] = False,
    scanner: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this scanner or preset, such as crp or crp.standard; may be repeated.",
            show_default="all",
            autocompletion=completed("scanners"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Only presets of this name.",
            show_default="all",
            autocompletion=completed("presets"),
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="Strategy: an installed one, or module:Class; may be repeated. `signals` follows"
            " the scanners.",
            metavar="NAME",
            show_default=SignalStrategy.NAME,
        ),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="Check of your own, module:function, after ours; may be repeated.",
            metavar="NAME",
            show_default="those installed",
        ),
    ] = None,
    subscribe: Annotated[
        list[str] | None,
        typer.Option(
            help="Subscriber of your own to what happens, module:function; may be repeated.",
            metavar="NAME",
            show_default="those installed",
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            min=0,
            help="Multiple of real time: at 60, a session of 390 minutes takes 6.5. 0 is as fast as"
            " possible.",
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(help="Random seed of the paper broker and simulated ticks.")
    ] = SEED,
    broker: Annotated[
        str | None,
        typer.Option(
            help="Broker: paper, one of an installed package, or `module:function`.",
            metavar="NAME",
            show_default="the account's",
        ),
    ] = None,
    venue: Annotated[
        bool,
        typer.Option("--venue", help="Send the broker's orders to the venue of BOURSE_VENUE_ROOT."),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve Prometheus metrics and health on this loopback port; BOURSE_METRICS_TOKEN"
            " is their token.",
            show_default="off",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the orders that the account would send, without sending them."
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Begin the session again; what was traded in it, or later, goes to the archive.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """
    Trade a session with paper money: replay a past one, simulate one, or follow today's ticks from
    Kite.

    Signals, limits, instruments and charges come from the published file. Every order passes the
    account's pre-trade checks and the journal; stops, targets and the square-off are evaluated on
    every tick. An interrupted session resumes where it ended, with the options that it began with.
    A new session begins with the account as the one before it left it, so sessions go forward.

    Ticks are scanned live with the SQL of the build; use --scan to scan the minutes of a session
    that is already built. Kite's ticks are those of today, recorded for the next build.

    Examples:

    - `./bourse trade    # the latest session, every signal`
    - `./bourse trade --scanner crp --preset standard --date 2010-05-06 --speed 60`
    - `./bourse trade --feed simulated --speed 600    # a simulated day`
    - `./bourse trade --account paper_india --feed zerodha --instruments NSE.csv`
    - `./bourse trade --dry-run    # the orders that would be sent`
    - `./bourse trade --strategy signals --strategy my_strategies:OpeningDrive`
    """
    one_preset(scanner or [], preset)
    chosen = frozenset(
        name if "." in name or preset is None else f"{name}.{preset}"
        for name in scanner or ([""] if preset else [])
    )
    is_scanned = scan or feed is not Source.MINUTES
    session_date = day.date() if day else None
    if feed is Source.ZERODHA:
        if session_date or speed:
            raise ConfigurationError(
                "--feed zerodha is live: it takes neither --date nor --speed",
                "omit them, or choose another --feed",
            )
        kite_access(instruments)
        session_date = session_today(account)
    elif instruments:
        raise ConfigurationError(
            f"--feed {feed} does not use --instruments", "omit it, or use --feed zerodha"
        )
    publications = Publications(account, session_date, chosen, with_signals=not is_scanned)
    publication = publications.newer()
    assert publication is not None
    broker_name = broker or publication.limits.broker
    if venue:
        broker_name = at_venue(broker_name)
    open_broker = broker_of(broker_name)
    asked = strategy or [SignalStrategy.NAME]
    strategies = open_strategies(asked, publication.strategy_parameters)
    for line in misspelled(strategies, publication.strategy_parameters, plugins.names(GROUP)):
        notes.print(line, style="yellow", markup=False)
    checks = open_checks(check or [])
    subscribers = open_subscribers(subscribe or [])
    source = open_feed(publication, feed, speed=speed, seed=seed, instruments=instruments)
    if missing := sorted(publication.instruments.keys() - set(source.symbols)):
        names = shortened(missing)
        total = len(publication.instruments)
        notes.print(
            f"{counted(len(missing), f'of {total} symbols is', f'of {total} symbols are')}"
            f" not traded, since the feed has no prices of them: {names}",
            style="yellow",
        )
    if feed is Source.MINUTES:
        connection = open_published()
        try:
            note_synthetic(connection, publication.session_date)
        finally:
            connection.close()
    scans: LiveScans | None = None
    if is_scanned:
        live = LiveSession(publication.limits.calendar, publication.session_date)
        if waiting := sorted({name.partition(".")[0] for name in chosen} - live.scanners - {""}):
            live.close()
            raise ConfigurationError(
                f"{waiting[0]} cannot be scanned live; its signals come from the build",
                f"choose among {', '.join(sorted(live.scanners))}, or trade the published"
                " signals, without --scan",
            )
        waits = isinstance(source, Replay)
        scans = LiveScans(live, source.symbols, publication, chosen, waits=waits)
    if dry_run:
        book, until, note = session_folders.preview(publication, broker_name, fresh=fresh)
        if note:
            notes.print(note, markup=False, style="yellow")
        _report_stop(book, account)
        if until is not None and isinstance(source, Replay):
            traded = source.resume_after(until)
            if scans is not None:
                scans.catch_up(traded)
        rows, failures = asyncio.run(_intended_orders(publication, source, strategies, scans, book))
        _print_orders(rows, json)
        for name, error in failures.items():
            raise StrategyStopped(
                f"the strategy {name} failed, and was not asked again: {error}",
                "correct it, and look again",
            )
        return
    options = _options(chosen, feed, asked, check or [], scan=scan, seed=seed)
    # no other process begins a session of the account until this one has ended
    path = session_folders.folder_of(account)
    with lock_folder(path) as lock:
        capital = publication.limits.capital_amount
        refuse(open_broker, BrokerSetup(account, path, capital), source, metrics_port)
        folder, before = session_folders.create(
            publication, broker_name, options, fresh=fresh, lock=lock
        )
        if left := session_folders.left_open(folder, before):
            notes.print(left, markup=False, style="red")
        _report_halts(folder, before, fresh=fresh)
        found, recorded = session_folders.read(folder)
        _report_stop(found, account)
        for line in session_folders.faults_of_history(folder):
            notes.print(line, markup=False, style="red")
        for line in session_folders.late_actions(folder, recorded):
            notes.print(line, markup=False, style="yellow")
        until = session_folders.traded_until(recorded)
        if session_folders.has_ended(folder, recorded):
            notes.print(
                "this session is over: it was traded to its end; --fresh discards it and starts"
                " over"
            )
        elif until:
            notes.print(
                f"resuming this session from {until.astimezone(publication.zone):%H:%M:%S};"
                " --fresh discards it and starts over"
            )
        recorder = None
        if isinstance(source, WebSocketFeed):
            recorder = start_recorder(publication, source, scans)
        with _Screen(publication, source, until, broker_name) as screen:
            config = SessionConfig(
                publication=publication,
                folder=folder.path,
                feed=source,
                broker=open_broker,
                strategies=strategies,
                checks=checks,
                seed=seed,
                scans=scans,
                recorder=recorder,
                newer=publications.newer,
                on_batch=screen.show,
                metrics_port=metrics_port,
                subscribers=subscribers,
                lock=lock,
            )
            with TradingSession.open(config) as session:
                session.trader.manager.bus.subscribe(StrategyFailed, _report_failure)
                try:
                    differences = session.run()
                except TradingError as error:
                    _refuse_left(error, session.trader)
                    raise
                except BaseException as error:
                    _report_unwatched(session.trader)
                    if isinstance(error, (Exception, KeyboardInterrupt)):
                        raise
                    raise _ended_by(error, session.trader, folder) from error
    if differences:
        _report_unwatched(session.trader)
        raise TradingError(
            f"{folder.account} is halted: its book differs from the broker's: {differences[0]}",
            "`./bourse reconcile` lists all differences; --fresh restarts the session",
        )
    end = ending(session.trader)
    if json:
        print_json(end)
    else:
        _print_end(end, _lifted_by(session.trader.book))
        if is_drawn():
            _draw_day(screen.day_pnl.values)
    _refuse_bad_end(end, session.trader.book, folder)


def _report_stop(book: Book, account: str) -> None:
    is_stopped = book.state is not TradingState.ACTIVE
    if is_stopped and book.state_by not in ("", RECONCILIATION, BY_STRATEGIES):
        notes.print(
            f"the account is {book.state}, and opens nothing: {book.state_reason};"
            f" {lifted_by(account)}",
            markup=False,
            style="yellow",
        )


def _left_intraday(book: Book, account: str, day: date) -> PositionsLeft | None:
    """Return what to raise if what is intraday is still open after the loop; None if nothing is."""
    left = session_folders.what_is_held(book, {Product.MIS})
    if not left:
        return None
    names = ", ".join(chain.from_iterable(left.values()))
    return PositionsLeft(
        f"{account} on {day} ended with intraday positions open: {names}",
        "close them at the broker; at paper, the next session closes them, or `./bourse trade"
        f" --account {account} --date {day} --fresh` trades this one again",
    )


def _refuse_left(error: TradingError, trader: Trader) -> None:
    """
    Raise PositionsLeft if a session failed and ended with intraday positions open.

    Of one that failed before its end, report what nothing watches now.
    """
    limits, day = trader.publication.limits, trader.publication.session_date
    left = _left_intraday(trader.book, limits.account, day)
    if left is not None and trader.book.has_ended:
        raise PositionsLeft(f"{left}; {error}", left.remedy) from error
    _report_unwatched(trader)


def _refuse_bad_end(end: dict[str, Any], book: Book, folder: session_folders.SessionFolder) -> None:
    """Raise if a person has something to do after a session: see the exit codes."""
    account, day = end["account"], end["session_date"]
    if left := _left_intraday(book, account, day):
        raise left
    for name, error in end["failed_strategies"].items():
        raise StrategyStopped(
            f"the strategy {name} failed, and opened nothing more: {error}",
            f"{folder.log} has the traceback; correct it, then --fresh trades the session again",
        )
    is_wanted = book.state is TradingState.REDUCING and book.flatten_reason is Reason.BY_HAND
    if book.state is not TradingState.ACTIVE and not is_wanted:
        raise TradingError(
            f"{account} on {day} ended {book.state}: {book.state_reason}",
            f"find out why; {lifted_by(account)}",
        )


def _ended_by(
    error: BaseException, trader: Trader, folder: session_folders.SessionFolder
) -> TradingError:
    """Return what to raise instead of an error with which code of others ended the process."""
    kind = PositionsLeft if unwatched(trader) else TradingError
    return kind(
        f"{folder.account} was ended by {error!r}, which third-party code raised",
        f"{folder.log} has the log; correct it, and run the same command again",
    )


def _report_unwatched(trader: Trader) -> None:
    if found := unwatched(trader):
        notes.print(
            f"stopped, and nothing watches what is left: {found}; the same command goes on with it",
            markup=False,
            style="red",
        )


def _report_failure(message: Message[StrategyFailed]) -> None:
    failed = message.event
    notes.print(
        f"the strategy {failed.strategy} failed, and opens nothing more: {failed.detail}",
        markup=False,
        style="red",
    )


def _options(
    chosen: frozenset[str],
    feed: Source,
    strategies: list[str],
    checks: list[str],
    *,
    scan: bool,
    seed: int,
) -> str:
    """Return the options that choose what is traded, as typed; those with their default are out."""
    words = [
        f"--preset {name[1:]}" if name.startswith(".") else f"--scanner {name}"
        for name in sorted(chosen)
    ]
    words += [f"--feed {feed}"] if feed is not Source.MINUTES else ["--scan"] * scan
    if strategies != [SignalStrategy.NAME]:
        words += [f"--strategy {name}" for name in strategies]
    words += [f"--check {name}" for name in checks]
    words += [f"--seed {seed}"] * (seed != SEED)
    return " ".join(words)


def _report_halts(folder: session_folders.SessionFolder, before: Book, *, fresh: bool) -> None:
    if fresh and before.event_count and before.state is not TradingState.ACTIVE:
        notes.print(
            f"--fresh discards that the account was {before.state}: {before.state_reason};"
            " `./bourse halt` halts it again",
            markup=False,
            style="yellow",
        )
    if (found := listed(folder.path)) and found[-1].name != "resume":
        notes.print(
            f"a request to {found[-1].name} is pending and will be obeyed: {found[-1].reason};"
            " `./bourse resume` revokes it",
            markup=False,
            style="yellow",
        )


def ending(trader: Trader) -> dict[str, Any]:
    """Return the result of a session: its figures, round trips and open positions."""
    book, publication = trader.book, trader.publication
    prices = trader.prices
    orders = list(book.orders.values())
    ordered = {order.request.signal_id for order in orders}
    trips = book.round_trips()
    follows_signals = SignalStrategy.NAME in trader.strategies.names
    denied = Counter(
        order.message.partition(":")[0] for order in orders if order.state is State.DENIED
    )
    return {
        "account": publication.limits.account,
        "session_date": publication.session_date,
        "build_id": publication.build_id,
        "state": book.state,
        "reason": book.state_reason,
        "ticks": trader.tick_count,
        "signals": len(publication.signals) if follows_signals else None,
        "equity_amount": book.equity_amount(prices),
        "net_pnl_amount": book.equity_amount(prices) - book.session_start_amount,
        "charges_amount": sum((fill.charges_amount for fill in book.fills.values()), Decimal(0)),
        "dividend_amount": book.dividend_amount,
        "denied": dict(denied.most_common()),
        "without_order": sum(s.signal_id not in ordered for s in publication.signals)
        if follows_signals
        else None,
        "failed_strategies": trader.strategies.failures,
        "entries": sum(
            trip.entry.request.order_id not in book.carried_orders
            and trip.entry.request.reason is Reason.ENTRY
            for trip in trips
        ),
        "round_trips": round_trips(trader),
        "positions": [
            {
                "symbol": held.symbol,
                "product": held.product,
                "quantity": held.quantity,
                "average_price": held.average_price,
            }
            for held in book.open_positions()
        ],
    }


def round_trips(trader: Trader) -> list[dict[str, Any]]:
    """
    Return each entry of which something was held, with its exits; of a part, those of that part.

    One of an earlier session is listed with its date. `net_pnl_amount` is that of what was closed,
    less its share of the charges; None if nothing was.
    """
    book, zone = trader.book, trader.publication.zone
    found = []
    for order, quantity, amount, opening_charges, closed in book.round_trips():
        request, sent_at = order.request, order.sent_at
        is_earlier = request.order_id in book.carried_orders
        count = sum(taken for _, taken in closed)
        price = sum((fill.price * taken for fill, taken in closed), Decimal(0)) / (count or 1)
        paid = (fill.charges_amount * taken / fill.quantity for fill, taken in closed)
        charges = sum(paid, opening_charges * count / quantity)
        entry_price = amount / quantity
        net = (price - entry_price) * count * request.side.sign - charges
        last = book.orders.get(closed[-1][0].order_id) if closed else None
        why = str(last.request.reason) if last and last.request.entry_id else "order"
        format = "%Y-%m-%d" if is_earlier else "%H:%M:%S"
        found.append(
            {
                "at": sent_at.astimezone(zone).strftime(format) if sent_at else "",
                "strategy": request.strategy,
                "symbol": request.symbol,
                "side": request.side,
                "quantity": quantity,
                "entry_price": entry_price,
                "closed": count,
                "exit_price": price if count else None,
                "exit": why if count else None,
                "net_pnl_amount": net if count else None,
            }
        )
    return found


def _print_end(end: dict[str, Any], lifted_by: str) -> None:
    if trips := end["round_trips"]:
        columns = columns_of(trips, titles={"net_pnl_amount": "net pnl"})
        print_whole(table(columns, trips))
    results.print(
        f"{end['account']} on {end['session_date']}:"
        f" {counted(end['entries'], 'entry', 'entries')}"
        f"{'' if end['signals'] is None else ', ' + counted(end['signals'], 'signal')},"
        f" {counted(end['ticks'], 'tick')},"
        f" net {end['net_pnl_amount']:+,.2f} after {end['charges_amount']:,.2f} charges,"
        f" equity {end['equity_amount']:,.2f}"
    )
    if dividends := end["dividend_amount"]:
        results.print(f"  dividends of {dividends:,.2f} are part of it")
    for code, count in end["denied"].items():
        results.print(f"  {counted(count, 'order')} denied by the check {code}")
    if count := end["without_order"]:
        results.print(
            f"  {counted(count, 'signal')} without an order: the symbol was already held or"
            " on order, it had no fresh price, nothing could be opened then, or one lot cost"
            " more than a position may cost"
        )
    for name, error in end["failed_strategies"].items():
        results.print(
            f"  the strategy {name} failed, and opened nothing more: {error}", markup=False
        )
    if end["positions"]:
        results.print(f"  open positions: {', '.join(held['symbol'] for held in end['positions'])}")
    if end["state"] != "active":
        results.print(f"  {end['state']}: {end['reason']}; {lifted_by}", markup=False)
    results.print(
        "  `./bourse orders` lists every order; `./bourse journal export` exports the fills to dbt"
    )


def _lifted_by(book: Book) -> str:
    if book.state is TradingState.REDUCING and book.flatten_reason is Reason.BY_HAND:
        return "it ends with the session"
    if book.state_by == BY_STRATEGIES:
        return "the next start of a loop lifts it"
    return "`./bourse resume` lifts it"


def _draw_day(day_pnl: Sequence[float]) -> None:
    """Draw the P&L of the day, as often as the screen looked at it."""
    if lines := curve(day_pnl):
        results.print("\nP&L of the day at last prices, after charges", style="italic")
        for line in lines:
            results.print(line, markup=False)


async def _intended_orders(
    publication: Publication,
    feed: Replay | WebSocketFeed,
    strategies: dict[str, Strategy],
    scans: LiveScans | None,
    book: Book,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """
    Return the orders that the strategies would send if nothing were ever filled.

    They begin with a book, after its last event if it is of a session that was interrupted. The
    second value has the errors of the strategies that failed, by name.
    """
    wanted: dict[str, dict[str, Any]] = {}
    prices = LastPrices(feed.symbols)
    now = feed.at if isinstance(feed, Replay) else clock.now()

    def context(name: str) -> Context:
        return Context(name, publication, book, prices, now)

    asked = Strategies(strategies, context, lambda _: None)
    asked.start()
    async for records in feed.ticks():
        now = feed.at if isinstance(feed, Replay) else clock.now()
        if scans is not None and (found := await scans.on_ticks(records, now)):
            publication = replace(publication, signals=(*publication.signals, *found))
        prices.update(records[records["price"] > 0])
        for _, request in asked.orders():
            if not isinstance(request, Request) or request.order_id in wanted:
                continue
            wanted[request.order_id] = {
                "at": now.astimezone(publication.zone).strftime("%H:%M:%S"),
                "strategy": request.strategy,
                "symbol": request.symbol,
                "side": request.side,
                "quantity": request.quantity,
                "limit_price": request.limit_price,
                "stop_price": request.exits.stop_price if request.exits else None,
                "target_price": request.exits.target_price if request.exits else None,
            }
    if scans is not None:
        scans.close()
    return list(wanted.values()), asked.failures


def _print_orders(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
        return
    print_whole(table(columns_of(rows), rows))
    results.print(f"{counted(len(rows), 'order')} would be generated; none was checked or sent")


class _Screen:
    """A live table on a terminal; nothing but the first line elsewhere."""

    def __init__(
        self,
        publication: Publication,
        feed: Replay | WebSocketFeed,
        resumed_after: datetime | None,
        broker: str,
    ) -> None:
        self._broker = broker
        self._publication = publication
        self._feed = feed
        self._resumed_after = resumed_after
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=notes
        )
        self._task = self._progress.add_task(feed.name, total=1.0)
        self._live = Live(console=notes, refresh_per_second=REFRESHED_PER_SECOND, transient=True)
        self._shown_at = -math.inf
        # as often as it was shown
        self.day_pnl = Curve()

    def __enter__(self) -> _Screen:
        minutes = 0.0
        if isinstance(self._feed, Replay):
            minutes = self._feed.wait_seconds(self._resumed_after) / 60
        money = "paper money" if self._broker == PAPER else f"the broker {self._broker}"
        notes.print(
            f"trading the {self._feed.name} with {money} on account"
            f" {self._publication.limits.account}"
            + (f", for {minutes:,.1f} minutes" if minutes else "")
        )
        if notes.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if notes.is_terminal:
            self._live.stop()

    def show(self, trader: Trader) -> None:
        """Refresh the display."""
        now = clock.elapsed_seconds()
        if not notes.is_terminal or now - self._shown_at < 1 / REFRESHED_PER_SECOND:
            return
        self._shown_at = now
        opens, closes = self._publication.opens_at, self._publication.closes_at
        self._progress.update(self._task, completed=(clock.now() - opens) / (closes - opens))
        book = trader.book
        self.day_pnl.add(float(book.equity_amount(trader.prices) - book.session_start_amount))
        line = f"P&L of the day {sparkline(self.day_pnl.values, SPARK_COLUMNS)}"
        self._live.update(Group(self._progress, _positions(trader), _summed_up(trader), line))


def _positions(trader: Trader) -> Table:
    rows = []
    for held in trader.book.open_positions():
        last, _ = trader.prices.get(held.symbol, (None, None))
        rows.append(
            {
                "symbol": held.symbol,
                "quantity": held.quantity,
                "average": held.average_price,
                "last": last,
                "unrealized": held.unrealized_amount(last) if last is not None else None,
            }
        )
    return table(POSITIONS, rows)


def _summed_up(trader: Trader) -> str:
    book = trader.book
    equity = book.equity_amount(trader.prices)
    limits = trader.publication.limits
    lost = max(Decimal(0), book.session_start_amount - equity)
    most = book.session_start_amount * limits.max_daily_loss_pct / 100
    at = clock.now().astimezone(trader.publication.zone)
    trouble = trader.health_problems()
    health = f"  [red]{escape('; '.join(trouble))}[/]" if trouble else "  [green]healthy[/]"
    return (
        f"{at:%H:%M:%S}  {book.state}  equity {equity:,.2f}"
        f"  day {equity - book.session_start_amount:+,.2f}"
        f"  loss used {100 * lost / most:.0f}%  open orders {len(book.live)}"
        f"  entries {book.entry_count} of {limits.max_trades}  ticks {trader.tick_count:,}" + health
    )
