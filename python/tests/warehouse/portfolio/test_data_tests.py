"""The messages of the portfolios' data tests about faults in a seed or a journal."""

from __future__ import annotations

import duckdb

from tests.support.warehouse import Warehouse

CALENDARS = "from (values ('XNYS', 'USD'), ('XNSE', 'INR')) as calendars (calendar, currency)"


def problems(sample: Warehouse, data_test: str, relations: dict[str, str]) -> list[str]:
    """Return the messages of a data test about made-up relations."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as duckbourse")
        for relation, rows in relations.items():
            connection.execute(f"create schema if not exists duckbourse.{relation.split('.')[0]}")
            connection.execute(f"create table duckbourse.{relation} as {rows}")
        folder = sample.target / "compiled" / "duckbourse" / "tests" / "portfolio"
        found = connection.execute((folder / f"{data_test}.sql").read_text()).fetchall()
    return [problem for (problem,) in found]


def test_a_fill_after_the_last_session_is_reported(sample: Warehouse) -> None:
    recorded = """
        select
            account,
            fill_key,
            quantity::decimal(18, 6) as quantity,
            timestamp '2024-01-06 15:00:00' as filled_at,
            timestamp '2024-01-06 15:00:00' + to_minutes(minute) as recorded_at
        from (values
            ('mine', 'arrived', 5, 1), ('mine', 'late', 5, 1), ('mine', 'late', 7, 2),
            ('mine', 'taken back', 5, 1), ('mine', 'taken back', 0, 2), ('weighed', 'x', 5, 1),
            ('nobody', 'y', 5, 1)
        ) as fills (account, fill_key, quantity, minute)
    """
    relations = {
        "staging.stg_journal__fills": recorded,
        "seeds.portfolios": """
            from (values ('mine', 'fills', 'XNYS'), ('weighed', 'weights', 'XNYS'))
            as portfolios (portfolio, source, calendar)
        """,
        "bars.sessions": """
            select 'XNYS' as calendar, unnest([date '2024-01-04', date '2024-01-05'])
            as session_date
        """,
        "portfolio.fills": "select 'mine' as portfolio, 'arrived' as fill_key",
    }
    assert problems(sample, "assert_every_fill_has_a_session", relations) == [
        "fill late of mine at 2024-01-06 15:00:00 UTC is in no session: XNYS ends on 2024-01-05;"
        " give it hours for longer in seeds/calendars/regular_hours.csv"
    ]


def test_a_symbol_in_another_currency_is_reported(sample: Warehouse) -> None:
    """INFY's currency is its calendar's, ADR's and GOLD's their instrument's; NEW has none."""
    relations = {
        "seeds.portfolios": """
            from (values ('dollars', 'USD'), ('rupees', 'INR')) as portfolios (portfolio, currency)
        """,
        "seeds.portfolio_weights": """
            from (values
                ('dollars', 'AAPL', 0.5), ('dollars', 'INFY', 0.5), ('dollars', 'ADR', 0.1),
                ('dollars', 'TCS', 0), ('dollars', 'INFY', 0.1), ('rupees', 'INFY', 1),
                ('rupees', 'NEW', 1)
            ) as weights (portfolio, symbol, weight)
        """,
        "portfolio.fills": """
            select 'rupees' as portfolio, unnest(['GOLD', 'INFY', 'AAPL']) as symbol
        """,
        "seeds.instruments": """
            from (values ('ADR', 'USD'), ('GOLD', 'USD')) as instruments (symbol, currency)
        """,
        "seeds.calendars": CALENDARS,
        "bars.total_return_closes": """
            from (values
                ('AAPL', 'XNYS'), ('AAPL', 'XNYS'), ('INFY', 'XNSE'), ('ADR', 'XNSE'),
                ('GOLD', 'XNSE'), ('TCS', 'XNSE')
            ) as closes (symbol, calendar)
        """,
    }
    said = (
        "portfolio {} is in {} and holds {}, which is in {}: hold it in a portfolio of its own, or"
        " say the currency of its price in seeds/reference/instruments.csv"
    )
    assert problems(sample, "assert_portfolios_hold_one_currency", relations) == [
        said.format("dollars", "USD", "INFY", "INR"),
        said.format("rupees", "INR", "AAPL", "USD"),
        said.format("rupees", "INR", "GOLD", "USD"),
    ]


def test_weights_above_one_name_the_portfolio_and_the_day(sample: Warehouse) -> None:
    relations = {
        "seeds.portfolio_weights": """
            select portfolio, effective_from::date as effective_from, symbol, weight
            from (values
                ('mine', '2024-01-02', 'AAPL', 0.5), ('mine', '2024-01-02', 'MSFT', 0.5),
                ('mine', '2024-02-01', 'AAPL', 0.7), ('mine', '2024-02-01', 'MSFT', 0.5),
                ('other', '2024-02-01', 'AAPL', 1)
            ) as weights (portfolio, effective_from, symbol, weight)
        """
    }
    assert problems(sample, "assert_rebalances_leave_no_debt", relations) == [
        "seeds/reference/portfolio_weights.csv:4: the weights of mine from 2024-02-01 add up to"
        " 1.2, above 1"
    ]
