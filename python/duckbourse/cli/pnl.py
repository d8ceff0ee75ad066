"""`./bourse pnl`: profit and loss of a session."""

from __future__ import annotations

from decimal import Decimal

from duckbourse.cli.session_options import Account, Day, Json, chosen_session, print_rows
from duckbourse.trading.session_folder import read


def pnl(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Show the profit and loss of a session: cash, positions at cost, realized amount, charges.

    Examples:

    - `./bourse pnl`
    - `./bourse pnl --account paper_us --date 2010-05-28 --json`
    """
    session = chosen_session(account, day)
    book, _ = read(session)
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
    print_rows(f"{session.account} on {session.session_date}", rows, json)
