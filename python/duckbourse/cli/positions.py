"""`./bourse positions`: positions of a session, and the realized profit of each symbol."""

from __future__ import annotations

from duckbourse.cli.session_options import Account, Day, Json, chosen_session, print_rows
from duckbourse.trading.session_folder import read


def positions(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    List an account's positions, with the realized profit of each symbol to date.

    Realized amounts are before charges: by average cost, and first in first out.

    Examples:

    - `./bourse positions`
    - `./bourse positions --account paper_us --json`
    """
    session = chosen_session(account, day)
    book, _ = read(session)
    rows = [
        {
            "symbol": held.symbol,
            "product": str(held.product),
            "quantity": held.quantity,
            "average_price": held.average_price,
            "realized_amount": held.realized_amount,
            "realized_fifo_amount": held.realized_fifo_amount,
            "charges_amount": held.charges_amount,
            "round_trips": held.round_trip_count,
        }
        for held in sorted(
            book.positions.values(), key=lambda held: (not held.quantity, held.symbol)
        )
    ]
    print_rows(
        f"{session.account} on {session.session_date}: {len(book.open_positions())} held",
        rows,
        json,
    )
