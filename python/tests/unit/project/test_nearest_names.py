"""The nearest of the names that exist, in Python and in SQL."""

from __future__ import annotations

import duckdb
import pytest

from duckbourse.names import did_you_mean, nearest
from tests.support.warehouse import Warehouse

SYMBOLS = ("APOL", "APP", "PPL", "AAPL", "MSFT", "SPX", "^GSPC")
CASES: list[tuple[str, tuple[str, ...], str | None]] = [
    ("APPL", SYMBOLS, "AAPL"),
    ("aapl", SYMBOLS, "AAPL"),
    ("AAPLE", SYMBOLS, "AAPL"),
    ("MSTF", SYMBOLS, "MSFT"),
    ("GSPC", SYMBOLS, "^GSPC"),
    ("0,5", SYMBOLS, None),
    ("standrd", ("strict", "standard"), "standard"),
    ("conservativ", ("aggressive", "conservative"), "conservative"),
    ("us", ("nse_intraday", "us_equity"), "us_equity"),
    ("us_equities", ("nse_intraday", "us_equity"), "us_equity"),
    ("crp.standrd", ("crp.strict", "gap.standard", "crp.standard"), "crp.standard"),
    ("momentum_of_days", ("gap", "momentum"), "momentum"),
    ("momentum", ("gap", "m"), None),
    ("abcd", ("abce", "abcde"), "abce"),
    ("momentum", ("gap", "crp"), None),
    ("anything", (), None),
]


@pytest.mark.parametrize(("wanted", "known", "found"), CASES)
def test_the_nearest_name_is_found(wanted: str, known: tuple[str, ...], found: str | None) -> None:
    assert nearest(wanted, known) == found
    assert did_you_mean(wanted, known) == (f"; did you mean {found!r}?" if found else "")


def test_it_is_the_same_in_sql(warehouse: Warehouse) -> None:
    sql = warehouse.inline("{{ nearest_name('$wanted', 'name') }}")
    with duckdb.connect() as connection:
        for wanted, known, found in CASES:
            query = f"select {sql} from unnest($known::varchar[]) as names (name)"
            values = {"wanted": wanted, "known": list(known)}
            assert connection.execute(query, values).fetchone() == (found,), wanted


def test_a_number_stays_one() -> None:
    assert nearest(95, [0.9, 0.95, 0.99]) == 0.95
    assert nearest("2d", ["1d", "1w"]) is None
