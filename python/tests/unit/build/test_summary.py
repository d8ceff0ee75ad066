"""What the summary of a build says of a publication."""

from __future__ import annotations

import duckdb

from duckbourse.summary import QUERIES
from duckbourse.warehouse import fetch_rows


def test_a_holding_whose_prices_have_ended_is_listed() -> None:
    """GONE has had no price since the 3rd; LATE missed the 4th and is priced again on the 5th."""
    with duckdb.connect() as connection:
        connection.execute("create schema portfolio")
        connection.execute("""
            create table portfolio.equity as
            select 'mine' as portfolio, date '2024-01-02' + n::integer as session_date
            from range(4) as days (n)
        """)
        connection.execute("""
            create table portfolio.missing_prices as
            select * from (values
                ('mine', date '2024-01-04', 'LATE', date '2024-01-03'),
                ('mine', date '2024-01-04', 'GONE', date '2024-01-03'),
                ('mine', date '2024-01-05', 'GONE', date '2024-01-03')
            ) as missing_prices (portfolio, session_date, symbol, price_date)
        """)
        rows = fetch_rows(connection, QUERIES["holdings_without_price"])
    [row] = [{name: str(value) for name, value in row.items()} for row in rows]
    assert row == {
        "portfolio": "mine",
        "symbol": "GONE",
        "last_price_date": "2024-01-03",
        "valued_until": "2024-01-05",
        "session_count": "2",
    }
