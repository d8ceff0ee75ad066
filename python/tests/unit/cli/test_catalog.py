"""What `./bourse tables` suggests for a name without its layer."""

from __future__ import annotations

import pytest

from duckbourse.cli.catalog import _check
from duckbourse.errors import ConfigurationError

RELATIONS = ("bars.data_version", "bars.ohlcv", "portfolio.covariances", "risk.covariances")
KNOWN = [{"layer": name.partition(".")[0], "relation": name} for name in RELATIONS]
MACROS = [{"macro": name} for name in ("bars_of", "indicators.rsi", "indicators.stochastic_rsi")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rsi", "indicators.rsi"),  # not bars.data_version
        ("ohlcv", "bars.ohlcv"),
        ("ohlc", "bars.ohlcv"),
        ("covariances", "portfolio.covariances"),
        ("bars_off", "bars_of"),
    ],
)
def test_the_last_part_of_a_name_suffices(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _check(name, KNOWN, MACROS)
    assert str(refused.value) == (
        f"the published file has no layer, table or table macro {name!r}; did you mean {meant!r}?"
    )
