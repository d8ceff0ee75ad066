"""`./bourse orders`: every order of a session, and its state."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from duckbourse.cli.session_options import Account, Day, Json, chosen_session, print_rows
from duckbourse.trading.session_folder import read


def orders(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    List every order of an account's session with its state: denied, sent, filled and so on.

    Examples:

    - `./bourse orders`
    - `./bourse orders --account paper_us --date 2010-05-28 --json`
    """
    session = chosen_session(account, day)
    book, _ = read(session)
    zone = ZoneInfo(session.zone_name)
    rows = [
        {
            "sent": f"{order.sent_at.astimezone(zone):%H:%M:%S}" if order.sent_at else "",
            "order_id": order.request.order_id,
            "strategy": order.request.strategy,
            "reason": str(order.request.reason),
            "symbol": order.request.symbol,
            "side": str(order.request.side),
            "quantity": order.request.quantity,
            "filled": order.filled_quantity,
            "average_price": order.average_price,
            "state": str(order.state),
            "message": order.message,
        }
        for order in book.orders.values()
    ]
    print_rows(f"{session.account} on {session.session_date}: {len(rows)} orders", rows, json)
