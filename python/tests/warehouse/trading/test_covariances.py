"""The covariances of the trading loop are the warehouse's, also where a share lacks sessions."""

from __future__ import annotations

from datetime import date

import pytest

from duckbourse.trading.publication import COVARIANCE_SESSIONS, load
from duckbourse.warehouse import open_published
from tests.support.warehouse import Warehouse


def test_complete_shares_have_the_covariances_of_the_warehouse(sample: Warehouse) -> None:
    day, symbols = date(2010, 5, 28), ["AAPL", "IBM", "MSFT"]
    connection = open_published(sample.file)
    found = load(connection, "paper_us", day, frozenset()).covariances.by_pair
    rows = connection.execute(
        f"""
        select symbol, other_symbol, covariance
        from rolling_covariances($1, {COVARIANCE_SESSIONS})
        where session_date < $2
        qualify session_date = max(session_date) over ()
        """,
        [symbols, day],
    ).fetchall()
    connection.close()
    assert len(rows) == 6
    for one, other, covariance in rows:
        assert found[one, other] == pytest.approx(covariance, rel=1e-9)


def test_a_share_with_a_missing_session_can_be_traded(sample: Warehouse) -> None:
    """C8a: eight shares lacked sessions up to 4 November 2009, and had no risk until May 2010."""
    connection = open_published(sample.file)
    publication = load(connection, "paper_us", date(2010, 3, 1), frozenset())
    connection.close()
    known = {symbol for symbol, other in publication.covariances.by_pair if symbol == other}
    assert len(publication.instruments) - len(known) <= 1
