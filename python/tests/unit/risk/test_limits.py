"""Price bands and the limits of exits within them, in whole ticks."""

from __future__ import annotations

import ast
import inspect
import re
from decimal import Decimal

import pytest
from msgspec.structs import replace

from duckbourse.orders.order import Side
from duckbourse.risk import checks
from duckbourse.risk.exits import PROTECTION_STEPS, exit_limit, last_limit, protected
from duckbourse.risk.limits import COLUMNS, Instrument, Limits
from tests.support.factories import LIMITS
from tests.support.market import instrument

# what the order, the session, the exchange and the money of the account deny
OF_NO_COLUMN = """
    ARITHMETIC CASH CHECK_FAILED CLOCK DUPLICATE_SIGNAL EXITS EXIT_AT_WORK FREEZE INSTRUMENT LOT
    NOT_FINITE NO_PRICE PRICE PRICE_BAND PROTECTION REDUCE_ONLY SELF_CROSS SESSION SHORT
    STREAM_NOT_READY TICK TRADING_STATE TRIGGER VAR_UNAVAILABLE
"""


def banded(prior_close: str, pct: str = "10", tick_size: str = "0.05") -> Instrument:
    return instrument(
        tick_size=Decimal(tick_size),
        prior_close=Decimal(prior_close),
        price_band_pct=Decimal(pct),
    )


@pytest.mark.parametrize(
    ("prior_close", "low", "high"),
    [("100.03", "90.05", "110.00"), ("100", "90", "110")],
)
def test_the_price_band_is_in_whole_ticks_within_it(prior_close: str, low: str, high: str) -> None:
    assert banded(prior_close).price_band == (Decimal(low), Decimal(high))


def test_a_share_without_a_band_has_no_highest_price() -> None:
    assert instrument(price_band_pct=None).price_band == (Decimal("0.01"), None)


def test_protection_is_in_whole_ticks_and_no_worse_than_asked() -> None:
    share = instrument(tick_size=Decimal("0.05"))
    # 1 percent beyond 100.02 is 101.0202 and 99.0198
    assert protected(share, Side.BUY, Decimal("100.02"), Decimal(1)) == Decimal("101.00")
    assert protected(share, Side.SELL, Decimal("100.02"), Decimal(1)) == Decimal("99.05")


def test_protection_ends_at_the_price_band() -> None:
    share = banded("100")
    assert protected(share, Side.BUY, Decimal("109.50"), Decimal(1)) == Decimal(110)
    assert protected(share, Side.SELL, Decimal("90.50"), Decimal(1)) == Decimal(90)


def test_the_lowest_price_is_a_tick() -> None:
    assert banded("100", pct="100").price_band == (Decimal("0.05"), Decimal(200))


def test_no_step_of_an_exit_has_more_than_the_most_protection() -> None:
    share, limits = instrument(price_band_pct=None), replace(LIMITS, protection_pct=Decimal(2))
    found = [exit_limit(limits, share, Side.SELL, Decimal(100), step) for step in (3, 4)]
    assert found == [84, 80]


def test_each_step_of_an_exit_is_wider() -> None:
    share = instrument(price_band_pct=None)
    limits = [
        exit_limit(LIMITS, share, Side.SELL, Decimal(100), step)
        for step in range(len(PROTECTION_STEPS) + 1)
    ]
    assert limits == [99, 98, 96, 92, 84, 80]
    assert last_limit(banded("100"), Side.SELL, Decimal(100)) == 90
    assert last_limit(banded("100"), Side.BUY, Decimal(100)) == 110


def _named_in(node: ast.AST) -> set[str]:
    named = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return named & set(Limits.__struct_fields__)


def _codes_in(node: ast.AST) -> set[str]:
    texts = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
    return {each for each in texts if isinstance(each, str) and re.fullmatch(r"[A-Z][A-Z_]+", each)}


def compared() -> dict[str, set[str]]:
    """Return the columns that are read on the way to each code of our checks."""
    found: dict[str, set[str]] = {}
    tree = ast.parse(inspect.getsource(checks))
    for function in [each for each in tree.body if isinstance(each, ast.FunctionDef)]:
        named: set[str] = set()
        for statement in function.body:
            named = named | _named_in(statement)
            found |= dict.fromkeys(_codes_in(statement), named)
            if isinstance(statement, ast.If):
                named = set()
        for row in [each for each in ast.walk(function) if isinstance(each, ast.Tuple)]:
            if row.elts and isinstance(row.elts[0], ast.Constant):
                found |= dict.fromkeys(_codes_in(row.elts[0]), _named_in(row))
    return found


def test_every_limit_of_the_account_names_its_column() -> None:
    """A denial left people to guess which column of the account denied it."""
    found = compared()
    assert found.keys() - COLUMNS.keys() == set(OF_NO_COLUMN.split())
    # the session has the instant that follows from the column
    wrong = {code for code, column in COLUMNS.items() if column not in found.get(code, set())}
    assert wrong == {"ENTRY_CUTOFF"}
    assert not {
        code for code in OF_NO_COLUMN.split() if any("max_" in name for name in found[code])
    }
