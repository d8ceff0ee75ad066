"""`./bourse account`: what an account has, and cash that comes in or goes out."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from duckbourse.cli.listing import Account
from duckbourse.cli.options import Day, Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import columns_of, print_whole, table
from duckbourse.errors import BourseError, ConfigurationError
from duckbourse.orders.book import Book
from duckbourse.orders.events import CashKind, CashMoved, StrategyFailed, TradingState
from duckbourse.risk.checks import AccountContext
from duckbourse.trading import last_prices
from duckbourse.trading.cash import in_words, move_cash
from duckbourse.trading.publication import charges_of, limits_of
from duckbourse.trading.requests import is_resume_waiting
from duckbourse.trading.session_folder import (
    SessionFolder,
    faults_of_history,
    folder_of,
    latest,
    read,
    sessions_of,
)
from duckbourse.warehouse import open_published
from duckbourse.words import counted

MOST_AMOUNT = Decimal(10) ** 15
Amount = Annotated[str, typer.Argument(help="Money, such as 2500.00.", metavar="AMOUNT")]
Id = Annotated[
    str,
    typer.Option("--id", help="Its id, such as the bank's reference; an id is booked once."),
]
On = Annotated[
    datetime | None,
    typer.Option(
        "--date", formats=["%Y-%m-%d"], help="Value date.", show_default="the last session"
    ),
]
Note = Annotated[str, typer.Option("--note", help="A note, for the journal.")]
POWER = ("product", "used_amount", "available_amount", "buying_power_amount")
account = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="""
    Show what an account has, or book cash that comes in or goes out.

    Examples:

    - `./bourse account show`
    - `./bourse account deposit 2500.00 --id transfer-17`
    """,
)


@account.command()
def show(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Show an account: capital, cash, equity, drawdown, losing trades in a row, positions, state.

    `capital` is what was paid in, less what was withdrawn; dividends and interest are those of the
    session. Positions are marked at their last prices, of about a second ago while a loop runs; one
    that has no price is valued at cost, and a note says so. `drawdown pct` is equity over its peak,
    less 100%: zero or negative.

    `used` is what positions and open entries take: the margin of an `MIS` account, and the cash for
    open purchases of a `CNC` one, both with the charges on open entries. `available` is what is
    left of equity without its unrealized gains, or of cash. `buying power` is for how much that may
    buy, several times as much on margin; the account's limits on sizes and risk come on top.

    Examples:

    - `./bourse account show`
    - `./bourse account show --account paper_us --json`
    """
    session = latest(account, day.date() if day else None)
    book, recorded = read(session)
    figures = _figures(session, book) | _buying_power(session, book)
    figures["history_faults"] = faults_of_history(session)
    zone = ZoneInfo(session.zone_name)
    figures["failures"] = [
        f"the strategy {event.strategy} failed at {event.at.astimezone(zone):%H:%M:%S}:"
        f" {event.detail}"
        for event in recorded
        if isinstance(event, StrategyFailed)
    ]
    _print(session, figures, json)


@account.command()
def deposit(
    amount: Amount,
    cash_id: Id,
    account: Account = None,
    day: On = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """
    Book a deposit: capital and cash grow by it, and the drawdown in percent stays the same.

    Examples:

    - `./bourse account deposit 25000 --id NEFT-2291`
    """
    _move(CashKind.DEPOSIT, amount, cash_id, account, day, note, json)


@account.command()
def withdraw(
    amount: Amount,
    cash_id: Id,
    account: Account = None,
    day: On = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """
    Book a withdrawal; it is refused if it is more than the free cash.

    Examples:

    - `./bourse account withdraw 5000 --id NEFT-2305 --account paper_us`
    """
    _move(CashKind.WITHDRAWAL, amount, cash_id, account, day, note, json)


@account.command()
def dividend(
    amount: Amount,
    cash_id: Id,
    account: Account = None,
    day: On = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """
    Book a dividend that is not in `corporate_actions.csv`; those there are credited by themselves.

    Examples:

    - `./bourse account dividend 130.50 --id INFY-2026-06 --note "Infosys, final"`
    """
    _move(CashKind.DIVIDEND, amount, cash_id, account, day, note, json)


# a negative amount is no option
@account.command(context_settings={"ignore_unknown_options": True})
def interest(
    amount: Amount,
    cash_id: Id,
    account: Account = None,
    day: On = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """
    Book interest on cash; a negative amount is interest that is owed.

    Examples:

    - `./bourse account interest 41.20 --id 2026-11`
    - `./bourse account interest -12.75 --id 2026-11-margin`
    """
    _move(CashKind.INTEREST, amount, cash_id, account, day, note, json)


def _move(
    kind: CashKind,
    text: str,
    cash_id: str,
    account: str | None,
    day: datetime | None,
    note: str,
    json: bool,
) -> None:
    session = latest(account, None)
    amount = _amount(text, may_be_negative=kind is CashKind.INTEREST)
    if kind is CashKind.WITHDRAWAL:
        amount = -amount
    moved, is_new = move_cash(
        session, kind, amount, cash_id, note=note, value_date=day.date() if day else None
    )
    book, _ = read(session)
    figures = _figures(session, book) | {"booked": is_new, "cash_id": moved.cash_id}
    if not json:
        results.print(_said(moved, is_new), markup=False)
    _print(session, figures, json)


def _said(moved: CashMoved, is_new: bool) -> str:
    what = f"{in_words(moved)} with the id {moved.cash_id}"
    return f"{what}: booked" if is_new else f"{what}: was booked before, and not again"


def _amount(text: str, *, may_be_negative: bool) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) >= MOST_AMOUNT or amount != round(amount, 2):
        raise ConfigurationError(
            f"{text!r} is not an amount",
            "write it with a point, at most two decimals and at most 15 digits before them",
        )
    if not amount or (amount < 0 and not may_be_negative):
        raise ConfigurationError(f"an amount of {amount} cannot be booked", "it is more than 0")
    return amount


def _figures(session: SessionFolder, book: Book) -> dict[str, Any]:
    prices = last_prices.read(session.path, session.session_date)
    equity = book.equity_amount(prices)
    # a session counts for the peak when it ends
    peak = max(book.peak_amount, equity)
    return {
        "account": session.account,
        "session_date": session.session_date,
        "sessions": sum(each <= session.session_date for each in sessions_of(session)),
        "state": str(book.state),
        "state_reason": book.state_reason,
        "capital_amount": book.capital_amount,
        "cash_amount": book.cash_amount,
        "equity_amount": equity,
        "dividend_amount": book.dividend_amount,
        "interest_amount": book.interest_amount,
        "peak_amount": peak,
        "drawdown": equity / peak - 1 if peak else None,
        "consecutive_losses": book.consecutive_losses,
        "positions": [
            {
                "symbol": held.symbol,
                "product": str(held.product),
                "quantity": held.quantity,
                "average_price": held.average_price,
                "mark": last,
                "unrealized_amount": None if last is None else held.unrealized_amount(last),
            }
            for held in book.open_positions()
            for last in [book.last_price(held.symbol, prices)]
        ],
    }


def _buying_power(session: SessionFolder, book: Book) -> dict[str, Any]:
    """Return what is used and available by the published limits; None if they are not published."""
    try:
        connection = open_published()
        try:
            limits = limits_of(connection, session.account)
            charges = charges_of(connection, session.account)
        finally:
            connection.close()
    except BourseError as error:
        notes.print(f"without limits, nothing says what may be bought: {error}", markup=False)
        return dict.fromkeys(POWER)
    context = AccountContext(
        book,
        now=datetime.combine(session.session_date, time(), UTC),
        limits=limits,
        prices=last_prices.read(session.path, session.session_date),
        charges=charges,
    )
    return dict(
        zip(
            POWER,
            (
                str(limits.product),
                context.used_amount,
                context.available_amount,
                context.buying_power_amount,
            ),
            strict=True,
        )
    )


def _state(figures: dict[str, Any]) -> str:
    """Return the state and, of one that is not active, why."""
    state, reason = figures["state"], figures["state_reason"]
    if state == TradingState.ACTIVE:
        return state  # type: ignore[no-any-return]
    waits = is_resume_waiting(folder_of(figures["account"]))
    return f"{state}, {reason}{'; a resume waits for the next session' if waits else ''}"


def _print(session: SessionFolder, figures: dict[str, Any], json: bool) -> None:
    if json:
        print_json(figures)
        return
    held = figures.pop("positions")
    count = counted(figures.pop("sessions"), "session")
    results.print(
        f"{session.account} on {session.session_date}, after {count}: {_state(figures)}",
        style="bold",
        markup=False,
    )
    bought = {name: figures.pop(name) for name in POWER if name in figures}
    row = {name: figures[name] for name in figures if name.endswith("_amount")}
    drawdown = figures["drawdown"]
    row |= {
        "drawdown pct": None if drawdown is None else 100 * drawdown,
        "losses in a row": figures["consecutive_losses"],
    }
    print_whole(table(columns_of([row]), [row]))
    if bought.get("product") is not None:
        print_whole(table(columns_of([bought]), [bought]))
    if held:
        print_whole(table(columns_of(held), held))
    if unmarked := [each["symbol"] for each in held if each["mark"] is None]:
        notes.print(f"without a last price, and so valued at cost: {', '.join(unmarked)}")
    for fault in figures.get("history_faults", ()):
        notes.print(fault, markup=False, style="red")
    for failure in figures.get("failures", ()):
        results.print(failure, markup=False)
