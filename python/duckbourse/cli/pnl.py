"""`./bourse pnl`: what a desk made."""

from __future__ import annotations

from decimal import Decimal

from duckbourse.cli.desk_options import Account, Day, Json, desk_of, print_rows
from duckbourse.trading.desk import read


def pnl(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Say what an account's session made: cash, what is held at cost, realized, charges.

    Examples:

    - `./bourse pnl`
    - `./bourse pnl --account paper_us --date 2010-05-28 --json`
    """
    desk = desk_of(account, day)
    book, _ = read(desk)
    round_trips = book.session_round_trips()
    realized = sum((held.realized_amount for held in book.positions.values()), Decimal(0))
    charges = sum((held.charges_amount for held in book.positions.values()), Decimal(0))
    rows = [
        {
            "state": str(book.state),
            "capital_amount": book.capital_amount,
            "cash_amount": book.cash_amount,
            "held_at_cost_amount": sum(
                (held.cost_amount for held in book.open_positions()), Decimal(0)
            ),
            "realized_amount": realized,
            "charges_amount": charges,
            "net_amount": realized - charges,
            "round_trips": len(round_trips),
            "won": sum(1 for round_trip in round_trips if round_trip > 0),
        }
    ]
    print_rows(f"{desk.account} on {desk.session_date}", rows, json)
