"""Covariances of shares that lack some sessions, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import numpy as np
import numpy.typing as npt
import pytest

from duckbourse.trading.publication import (
    COVARIANCE_SESSIONS,
    MIN_COVARIANCE_SESSIONS,
    _covariances,
    _Reader,
)

DAY = date(2026, 11, 25)
SYMBOLS = ["A", "B", "C", "D"]
# half a year more than is used
SESSIONS = COVARIANCE_SESSIONS + 125
Closes = npt.NDArray[np.float64]


@pytest.fixture
def closes() -> Closes:
    """Closes of four shares, a row each; the last column is of the session before DAY."""
    draws = np.random.default_rng(1).normal(0, 0.02, (4, SESSIONS))
    return 100 * np.exp(np.cumsum(draws + 0.5 * draws[::-1], axis=1))


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "create schema bars;"
            " create table bars.total_return_closes (symbol varchar, session_date date, "
            " total_return_close double)"
        )
        yield connection


def read(connection: duckdb.DuckDBPyConnection, closes: Closes) -> dict[tuple[str, str], float]:
    rows = [
        (symbol, DAY - timedelta(days=SESSIONS - place), close)
        for symbol, of_symbol in zip(SYMBOLS, closes, strict=True)
        for place, close in enumerate(of_symbol)
        if not np.isnan(close)
    ]
    # what comes later is not known yet
    rows += [("A", DAY, 1e6), ("B", DAY, 1e-6)]
    connection.executemany("insert into bars.total_return_closes values (?, ?, ?)", rows)
    return _covariances(_Reader(connection), SYMBOLS, DAY).by_pair


def used_returns(closes: Closes) -> Closes:
    return (closes[:, 1:] / closes[:, :-1] - 1)[:, -COVARIANCE_SESSIONS:]


def test_complete_data_has_sample_covariances(
    connection: duckdb.DuckDBPyConnection, closes: Closes
) -> None:
    found = read(connection, closes)
    matrix = np.cov(used_returns(closes))
    assert len(found) == 10
    for (one, other), value in found.items():
        wanted = matrix[SYMBOLS.index(one), SYMBOLS.index(other)]
        assert value == pytest.approx(wanted, rel=1e-11, abs=1e-15)


def test_a_share_that_lacks_sessions_has_the_variance_of_what_it_has(
    connection: duckdb.DuckDBPyConnection, closes: Closes
) -> None:
    """C8a: one missing session made a share untradable for half a year."""
    closes[1, -20] = np.nan
    closes[2, -90:-80] = np.nan
    found = read(connection, closes)
    returns = used_returns(closes)
    for place, symbol in enumerate(SYMBOLS):
        known = returns[place][~np.isnan(returns[place])]
        assert found[symbol, symbol] == pytest.approx(np.var(known, ddof=1), rel=1e-11)
    one, other = returns[0], returns[1]
    both = ~np.isnan(other)
    products = (one[both] - one.mean()) * (other[both] - other[both].mean())
    # a missing session takes two returns
    scale = np.sqrt((COVARIANCE_SESSIONS - 1) * (COVARIANCE_SESSIONS - 3))
    assert found["A", "B"] == pytest.approx(products.sum() / scale, rel=1e-11)


def test_no_book_has_a_negative_variance_whatever_is_lacking(
    connection: duckdb.DuckDBPyConnection, closes: Closes
) -> None:
    draw = np.random.default_rng(2)
    # copies of one share, each with gaps of its own: pair by pair, this would not be semidefinite
    closes = np.tile(closes[0], (4, 1)) * np.exp(draw.normal(0, 1e-4, closes.shape))
    closes[draw.random(closes.shape) < 0.04] = np.nan
    closes[:, 0] = 100.0
    found = read(connection, closes)
    matrix = np.array([[found[min(a, b), max(a, b)] for b in SYMBOLS] for a in SYMBOLS])
    assert np.linalg.eigvalsh(matrix)[0] >= -1e-18


def test_a_share_without_enough_sessions_has_none(
    connection: duckdb.DuckDBPyConnection, closes: Closes
) -> None:
    closes[0, : -MIN_COVARIANCE_SESSIONS - 1] = np.nan  # listed for as long as is needed
    closes[1, :-MIN_COVARIANCE_SESSIONS] = np.nan  # and a session less
    found = read(connection, closes)
    assert ("A", "A") in found
    assert not [pair for pair in found if "B" in pair]
