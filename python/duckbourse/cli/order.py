"""`./bourse order`: an order by hand to the loop that trades an account, and what became of it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from duckbourse.cli.listing import TradingAccount
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.requests import only_trading
from duckbourse.errors import ConfigurationError, TradingError
from duckbourse.risk.limits import COLUMNS
from duckbourse.trading.commands import OrderByHand, answer_to, send, withdraw
from duckbourse.trading.requests import LOOP_ANSWER_SECONDS, no_loop, unanswered_order

order = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""
    Buy, sell, cancel, modify or close by hand, on an account that a loop is trading.

    The order passes the account's checks and its journal, and the loop answers what became of it.
    It is booked under `by_hand`: what is sold is what was bought by hand, or is sold short; `close`
    closes what any strategy holds. A loop has to run, since it alone has fresh prices to check
    against and watches the stop and the square-off of what is opened.

    An order that no loop takes within --timeout seconds is withdrawn: it is never sent later.

    Examples:

    - `./bourse order buy AAPL 10`
    - `./bourse order sell AAPL 10 --limit 251.40`
    - `./bourse order close AAPL`
    """,
)

# of what no column of an account decides, by the code of the answer
REMEDIES = {
    "UNKNOWN": "`./bourse list symbols` has the symbols, `./bourse orders` the ids",
    "PRICE": "give shares and a price that an order can have",
    "TICK": "give a price in whole ticks: see tick_size in seeds/reference/instruments.csv",
    "LOT": "give whole lots: see lot_size in seeds/reference/instruments.csv",
    "FREEZE": "order less at once: see freeze_quantity in seeds/reference/instruments.csv",
    "PRICE_BAND": "give a price within the day's band, which the line names",
    "EXITS": "give a stop and a target that the price has not reached",
    "NO_PRICE": "wait for its first tick; what is not traded in this session or is not in this feed"
    " has none, and cannot be ordered",
    "TRADING_STATE": "`./bourse account show` says why, and `./bourse resume` lifts it",
    "SHORT": "sell at most what is held by hand: `./bourse positions` lists it by strategy",
    "CASH": "buy less, or `./bourse account deposit` between sessions",
}
Symbol = Annotated[str, typer.Argument(help="Symbol, such as AAPL.", metavar="SYMBOL")]
SymbolOrId = Annotated[
    str,
    typer.Argument(
        help="Symbol, or an id: of `./bourse orders`, or the --id of the request.",
        metavar="SYMBOL|ID",
    ),
]
Quantity = Annotated[int, typer.Argument(min=1, help="Shares.", metavar="QUANTITY")]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit", metavar="PRICE", help="Limit price.", show_default="the account's protection"
    ),
]
NewLimit = Annotated[
    str | None,
    typer.Option("--limit", metavar="PRICE", help="Limit price.", show_default="as it is"),
]
Stop = Annotated[str | None, typer.Option("--stop", metavar="PRICE", help="Stop loss.")]
Target = Annotated[str | None, typer.Option("--target", metavar="PRICE", help="Target.")]
Trail = Annotated[
    str | None,
    typer.Option(
        "--trail", metavar="DISTANCE", help="Trailing stop: money per share from the best price."
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds to wait for what becomes of it.")
]
Id = Annotated[
    str,
    typer.Option(
        "--id",
        metavar="TEXT",
        help="Id of the request: repeated with the same id, it orders nothing twice.",
        show_default="a new one",
    ),
]


@order.command()
def buy(
    symbol: Symbol,
    quantity: Quantity,
    limit: Limit = None,
    stop: Stop = None,
    target: Target = None,
    trail: Trail = None,
    account: TradingAccount = None,
    request_id: Id = "",
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Buy; without --limit, at most the account's protection above the last price.

    With --stop, --target or --trail, the loop closes the position there; what would close it at
    once is refused.

    Examples:

    - `./bourse order buy AAPL 10 --stop 245 --target 262.50`
    - `./bourse order buy AAPL 10 --limit 248.10 --id morning-1`
    """
    wanted = OrderByHand(
        action="buy",
        target=symbol,
        quantity=quantity,
        limit_price=_price("--limit", limit),
        stop_price=_price("--stop", stop),
        target_price=_price("--target", target),
        trail_distance=_price("--trail", trail),
    )
    _send(wanted, account, request_id, timeout, json=json)


@order.command()
def sell(
    symbol: Symbol,
    quantity: Quantity,
    limit: Limit = None,
    stop: Stop = None,
    target: Target = None,
    trail: Trail = None,
    account: TradingAccount = None,
    request_id: Id = "",
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Sell what was bought by hand, or sell short; `close` closes what a strategy holds.

    Examples:

    - `./bourse order sell AAPL 10`
    - `./bourse order sell AAPL 10 --limit 251.40 --stop 255`
    """
    wanted = OrderByHand(
        action="sell",
        target=symbol,
        quantity=quantity,
        limit_price=_price("--limit", limit),
        stop_price=_price("--stop", stop),
        target_price=_price("--target", target),
        trail_distance=_price("--trail", trail),
    )
    _send(wanted, account, request_id, timeout, json=json)


@order.command()
def cancel(
    target: SymbolOrId,
    account: TradingAccount = None,
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Cancel an open order, or all that open a position in a symbol; exits go on.

    Examples:

    - `./bourse order cancel AAPL`
    """
    _send(OrderByHand(action="cancel", target=target), account, "", timeout, json=json)


@order.command()
def modify(
    target: SymbolOrId,
    quantity: Annotated[
        int | None, typer.Option("--quantity", min=1, help="Shares, with those filled.")
    ] = None,
    limit: NewLimit = None,
    stop: Stop = None,
    profit_target: Target = None,
    trail: Trail = None,
    account: TradingAccount = None,
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Change the limit or the quantity of an open order, or move the stop, target or trailing stop of
    a position, whatever strategy opened it; what is not given stays.

    A new trailing stop is measured from the price of now.

    Examples:

    - `./bourse order modify AAPL --limit 249.05`
    - `./bourse order modify AAPL --quantity 5`
    - `./bourse order modify AAPL --stop 250 --target 265`
    - `./bourse order modify AAPL --trail 2.50`
    """
    if all(each is None for each in (quantity, limit, stop, profit_target, trail)):
        raise ConfigurationError(
            "nothing is to be modified", "give --limit, --quantity, --stop, --target or --trail"
        )
    wanted = OrderByHand(
        action="modify",
        target=target,
        quantity=quantity,
        limit_price=_price("--limit", limit),
        stop_price=_price("--stop", stop),
        target_price=_price("--target", profit_target),
        trail_distance=_price("--trail", trail),
    )
    _send(wanted, account, "", timeout, json=json)


@order.command()
def close(
    symbol: Symbol,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="Only what it holds; empty for what no order opened.",
            show_default="all",
        ),
    ] = None,
    account: TradingAccount = None,
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Close what is held of a symbol, by whatever strategy, and cancel what would open more of it.

    The loop tries until the position is closed, whatever was refused before, also after --timeout.

    Examples:

    - `./bourse order close AAPL`
    - `./bourse order close AAPL --strategy crp.standard`
    """
    wanted = OrderByHand(action="close", target=symbol, strategy=strategy)
    _send(wanted, account, "", timeout, json=json)


def _price(option: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or price <= 0:
        raise ConfigurationError(f"{option} {text!r} is not a price", "give one such as 251.40")
    return price


def _send(
    wanted: OrderByHand, account: str | None, request_id: str, seconds: float, *, json: bool
) -> None:
    session = only_trading(f"order {wanted.action}", account)
    if session is None:
        raise no_loop(account)
    path = send(
        session.path, "order", "by hand", request_id=request_id, seconds=seconds, order=wanted
    )
    try:
        answer = answer_to(path, seconds)
    except KeyboardInterrupt:
        if withdraw(path):
            notes.print("the order is withdrawn: no loop had taken it")
        raise
    if answer is None:
        remedy = (
            f"`./bourse orders` shows it; repeated with --id {path.stem}, it orders nothing twice"
            if wanted.action in ("buy", "sell")
            else "`./bourse orders` shows what became of it"
        )
        raise unanswered_order(session, path, seconds, remedy)
    if json:
        print_json(
            {
                "account": session.account,
                "session_date": session.session_date,
                "request_id": path.stem,
                "is_obeyed": answer.is_obeyed,
                "is_final": answer.is_final,
                "message": answer.message,
                **answer.figures,
            }
        )
    elif answer.is_obeyed:
        results.print(
            f"{session.account} on {session.session_date}: {answer.message}", markup=False
        )
    if not answer.is_obeyed:
        code = str(answer.figures.get("code"))
        column = COLUMNS.get(code)
        # a name that does not exist is an error like that of any other command
        kind = ConfigurationError if code == "UNKNOWN" else TradingError
        raise kind(
            f"{wanted.action} {wanted.target}: {answer.message}",
            f"see {column} of {session.account} in seeds/reference/trading_accounts.csv"
            if column
            else REMEDIES.get(
                code, "`./bourse orders` lists the orders, `./bourse positions` what is held"
            ),
        )
