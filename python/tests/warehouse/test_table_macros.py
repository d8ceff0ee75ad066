"""A table macro that is asked for what the file does not have says so, in any client."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.warehouse import Warehouse

REFUSED = {
    "bars_of('aapl', '1d')": "there is no symbol 'aapl'; did you mean 'AAPL'?",
    "bars_of('APPL', '1d')": "there is no symbol 'APPL'; did you mean 'AAPL'?",
    "bars_of('0', '1d')": "there is no symbol '0'",
    "bars_of('AAPL', '2d')": (
        "there is no timeframe '2d' of AAPL; it has 15m, 1d, 1h, 1m, 1w, 30m, 5m"
    ),
    "indicator_history('aapl', '1d')": "there is no symbol 'aapl'; did you mean 'AAPL'?",
    "indicator_history('AAPL', '1D')": (
        "there is no timeframe '1D' of AAPL; it has 15m, 1d, 1h, 1m, 1w, 30m, 5m"
    ),
    "indicators.rsi('MSTF', '1d')": "there is no symbol 'MSTF'; did you mean 'MSFT'?",
    "indicator('rsi', 'MSTF', '1d')": "there is no symbol 'MSTF'; did you mean 'MSFT'?",
    "portfolio_performance('equal20')": (
        "there is no portfolio 'equal20'; did you mean 'equal_20'?"
    ),
    "portfolio_var('gold', 0.95, 1)": (
        "there is no portfolio 'gold'; the portfolios are equal_20, sixty_forty_tech"
    ),
    "portfolio_var('equal_20', 0.95, 1, p_method := 'emwa')": (
        "there is no VaR method 'emwa'; did you mean 'ewma'?"
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.items(), ids=REFUSED.keys())
@pytest.mark.parametrize("query", ["from {}", "select count(*) from {}"])
def test_what_does_not_exist_is_an_error(
    sample: Warehouse, query: str, call: str, message: str
) -> None:
    with pytest.raises(duckdb.InvalidInputException) as refused:
        sample.query(query.format(call))
    assert str(refused.value) == f"Invalid Input Error: {message}"


@pytest.mark.parametrize(
    "call",
    [
        "bars_of(null, '1d')",
        "indicators.sma('AAPL', '1d') where bar_ts < '1900-01-01'",
        "portfolio_var('equal_20', 0.95, 1, p_method := null) where method is null",
    ],
)
def test_null_and_a_condition_are_no_error(sample: Warehouse, call: str) -> None:
    assert sample.query(f"from {call}") == []
