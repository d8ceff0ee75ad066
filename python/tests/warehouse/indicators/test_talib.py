"""Every indicator against TA-Lib, an independent implementation in C."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import duckdb
import numpy as np
import pytest
import talib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse
from tests.warehouse.indicators.candle_bars import candle_bars
from tests.warehouse.indicators.hostile_bars import first_bars, hostile_bars, random_bars
from tests.warehouse.indicators.on_read import Bars, OnRead, arrays
from tests.warehouse.indicators.talib_references import REFERENCES, candle, is_noise, rounding
from tests.warehouse.indicators.tolerances import assert_agrees


def numbers(periods: str) -> tuple[int, ...]:
    return tuple(int(period) for period in periods.split(",") if period)


FAMILIES = {
    model.stem.removeprefix("indicators__"): re.findall(
        r"'(\w+)(?:\(([\d, ]*)\))?'", model.read_text()
    )
    for model in (PROJECT / "models" / "indicators").glob("*.sql")
    if "{{ indicators(" in model.read_text()
}
CALLS = [
    pytest.param(family, name, numbers(periods), id=f"{name}({periods})")
    for family, calls in sorted(FAMILIES.items())
    for name, periods in calls
]
CANDLES = [f"candles_of_{count}" for count in ("one_bar", "two_bars", "three_bars", "more_bars")]
SERIES = [
    ("AAPL", "1d"),
    ("SPX", "1d"),
    ("SPX", "1w"),
    ("AAPL", "1m"),
    ("GOOG", "15m"),
    ("IBM", "1h"),
]
# periods besides an indicator's own: of one bar, of two, of powers of two and their neighbors, of
# many
PERIODS: dict[str, list[tuple[int, ...]]] = {
    "sma": [(1,), (2,), (7,), (8,), (9,), (64,), (200,)],
    "ema": [(1,), (2,), (7,), (200,)],
    "wma": [(1,), (2,), (7,), (8,), (9,), (100,)],
    "dema": [(2,), (7,)],
    "tema": [(2,), (7,)],
    "trima": [(2,), (3,), (8,), (9,)],
    "hma": [(2,), (9,), (16,)],
    "kama": [(2,), (10,), (40,)],
    "t3": [(2,), (8,)],
    "rsi": [(2,), (3,), (50,)],
    "cmo": [(2,), (50,)],
    "fast_stochastic": [(1, 1), (14, 1), (9, 5)],
    "stochastic": [(5, 1, 1), (9, 5, 2)],
    "stochastic_rsi": [(5, 3, 2), (2, 7, 1)],
    "macd": [(2, 5, 9), (3, 10, 16)],
    "ppo": [(2, 5), (3, 10)],
    "apo": [(2, 5), (3, 10)],
    "bollinger": [(2,), (8,), (50,)],
    "atr": [(1,), (2,), (50,)],
    "natr": [(2,), (50,)],
    "directional_movement": [(2,), (3,), (30,)],
    "cci": [(2,), (7,), (50,)],
    "williams_r": [(2,), (8,), (50,)],
    "mfi": [(2,), (8,), (50,)],
    "adosc": [(2, 3), (5, 20)],
    "cmf": [(2,), (8,), (50,)],
    "roc": [(1,), (50,)],
    "momentum": [(1,), (50,)],
    "trix": [(1,), (2,), (7,)],
    "aroon": [(2,), (7,), (50,)],
    "donchian": [(2,), (8,), (50,)],
    "keltner": [(2, 5), (50, 3)],
    "ichimoku": [(2, 3, 4), (7, 22, 44)],
    "supertrend": [(2,), (7,)],
    "ultimate": [(1, 2, 3), (5, 10, 20)],
    "vortex": [(2,), (9,)],
    "chaikin_volatility": [(2, 3), (5, 1)],
    "linear_regression": [(2,), (7,), (64,)],
    "stddev": [(2,), (7,), (64,)],
    "variance": [(1,), (2,), (7,), (64,)],
    "correlation": [(2,), (7,), (64,)],
    "beta": [(2,), (7,), (64,)],
    "midpoint": [(2,), (7,)],
    "midprice": [(2,), (7,)],
    "average_deviation": [(2,), (7,), (64,)],
}


def assert_is_talibs(
    name: str, bars: Bars, periods: Sequence[int], found: Bars, functions: dict[str, str], of: str
) -> None:
    if name in CANDLES:
        for output, ours in found.items():
            assert_agrees(ours, candle(bars, functions[output]), f"{of}: {output}")
        return
    expected = REFERENCES[name](bars, *periods)
    assert set(found) == set(expected)
    hidden = is_noise(name, bars, periods)
    for output, theirs in expected.items():
        ours = np.where(hidden, np.nan, found[output])
        where = f"{of}: {name}{periods} {output}"
        assert_agrees(ours, np.where(hidden, np.nan, theirs), where, rounding(name, bars))


@pytest.fixture(scope="module")
def built(sample: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def defaults(built: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, ...]]:
    """Return the periods of each indicator's definition."""
    found = built.execute(
        "select distinct indicator, coalesce(periods, '') from serving.indicator_catalog"
    ).fetchall()
    return {name: numbers(periods) for name, periods in found}


@pytest.fixture(scope="module")
def outputs(built: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The outputs of each indicator."""
    return dict(
        built.execute(
            "select indicator, list(output) from serving.indicator_catalog group by indicator"
        ).fetchall()
    )


@pytest.fixture(scope="module")
def functions(built: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """TA-Lib's function for each output that has one."""
    return dict(
        built.execute(
            "select output, talib from serving.indicator_catalog where talib is not null"
        ).fetchall()
    )


def stored(
    built: duckdb.DuckDBPyConnection, columns: str, relation: str, symbol: str, timeframe: str
) -> Bars:
    return arrays(
        built.execute(
            f"select {columns} from {relation} "
            "where symbol = $symbol and timeframe = $timeframe order by bar_ts",
            {"symbol": symbol, "timeframe": timeframe},
        )
    )


def stored_outputs(
    built: duckdb.DuckDBPyConnection,
    outputs: Sequence[str],
    family: str,
    periods: Sequence[int],
    series: tuple[str, str],
) -> Bars:
    columns = [f"{'_'.join([output, *map(str, periods)])} as {output}" for output in outputs]
    return stored(built, ", ".join(columns), f"indicators.{family}", *series)


@pytest.fixture(scope="module")
def real_bars(built: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Bars]:
    prices = [f"adjusted_{name} as {name}" for name in ("open", "high", "low", "close", "volume")]
    columns = ", ".join([*prices, "session_bar_number"])
    return {series: stored(built, columns, "bars.ohlcv", *series) for series in SERIES}


def test_every_indicator_is_compared(
    outputs: dict[str, list[str]], functions: dict[str, str], built: duckdb.DuckDBPyConnection
) -> None:
    assert set(outputs) == {*REFERENCES, *CANDLES}
    with_periods = built.execute(
        "select distinct indicator from serving.indicator_catalog where periods is not null"
    ).fetchall()
    assert {name for (name,) in with_periods} == set(PERIODS)
    candles = {output: functions.get(output) for name in CANDLES for output in outputs[name]}
    assert set(candles.values()) == {name for name in dir(talib) if name.startswith("CDL")}


def test_the_coverage_page_lists_every_function(functions: dict[str, str]) -> None:
    page = (PROJECT / "models" / "indicators" / "coverage.md").read_text()
    covered = re.findall(r"^\| (\w+) \| `(\w+)` \|", page, re.MULTILINE)
    assert {output: function for function, output in covered} == functions
    missing = ", ".join(re.findall(r": ([A-Z0-9_, ]+)\.$", page, re.MULTILINE)).split(", ")
    every = {*talib.get_functions()}  # type: ignore[no-untyped-call]
    assert sorted(missing) == sorted(every - {*functions.values()})


@pytest.mark.parametrize(("family", "name", "periods"), CALLS)
def test_stored_indicators_are_talibs(
    built: duckdb.DuckDBPyConnection,
    outputs: dict[str, list[str]],
    defaults: dict[str, tuple[int, ...]],
    functions: dict[str, str],
    real_bars: dict[tuple[str, str], Bars],
    family: str,
    name: str,
    periods: tuple[int, ...],
) -> None:
    own = periods + defaults[name][len(periods) :]
    timeframes = built.execute(f"select distinct timeframe from indicators.{family}").fetchall()
    compared = [series for series in SERIES if (series[1],) in timeframes]
    assert compared
    for series in compared:
        bars = real_bars[series]
        assert len(bars["close"]) > 250
        found = stored_outputs(built, outputs[name], family, own, series)
        assert_is_talibs(name, bars, own, found, functions, " ".join(series))


@pytest.mark.parametrize(("family", "name", "periods"), CALLS)
def test_stored_indicators_are_those_on_read(
    built: duckdb.DuckDBPyConnection,
    outputs: dict[str, list[str]],
    defaults: dict[str, tuple[int, ...]],
    family: str,
    name: str,
    periods: tuple[int, ...],
) -> None:
    series = ("IBM", "15m") if family in ("vwap", "pivot_points") else ("IBM", "1d")
    own = periods + defaults[name][len(periods) :]
    kept = stored_outputs(built, outputs[name], family, own, series)
    call = ", ".join([*(f"'{part}'" for part in series), *map(str, periods)])
    found = arrays(built.execute(f"from indicators.{name}({call}) order by bar_ts"))
    for output, values in kept.items():
        assert len(values) > 250
        assert_agrees(found[output], values, f"{name} {output}", tolerance=1e-12)


@pytest.fixture(scope="module")
def hostile(table_macros: str) -> tuple[OnRead, dict[str, Bars]]:
    """Series that are hard on indicators, in one table; some are too short."""
    series = hostile_bars()
    for count in (1, 2, 3, 13, 14, 15, 19, 20, 21, 26, 27, 28, 33, 34, 35, 39, 40, 41):
        series[f"{count} bars"] = first_bars(series["walk"], count)
    on_read = OnRead(table_macros)
    for symbol, bars in series.items():
        on_read.load(bars, symbol)
    return on_read, series


@pytest.mark.parametrize("name", REFERENCES)
def test_hostile_series_are_talibs(
    hostile: tuple[OnRead, dict[str, Bars]], defaults: dict[str, tuple[int, ...]], name: str
) -> None:
    on_read, series = hostile
    for symbol, bars in series.items():
        for periods in [defaults[name], *PERIODS.get(name, [])]:
            found = on_read.ask(name, *periods, symbol=symbol)
            assert_is_talibs(name, bars, periods, found, {}, symbol)


@pytest.mark.parametrize("name", CANDLES)
def test_candles_and_near_misses_are_talibs(
    indicator: OnRead, functions: dict[str, str], name: str
) -> None:
    bars = candle_bars()
    found = indicator(name, bars)
    for output in found:
        signs = {*candle(bars, functions[output]).tolist()} - {0.0}
        assert len(signs) > 1, f"{output} does not occur"
    assert_is_talibs(name, bars, (), found, functions, "candles")


# of these the first two periods are a fast average's and a slow one's
SLOW_AFTER_FAST = ("macd", "ppo", "apo", "adosc", "ultimate", "ichimoku")
PERIOD = st.one_of(st.integers(2, 40), st.integers(2, 100))


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(list(REFERENCES)),
    periods=st.lists(PERIOD, min_size=3, max_size=3),
    seed=st.integers(0, 10**6),
    count=st.integers(1, 900),
)
def test_any_series_is_talibs(
    indicator: OnRead,
    defaults: dict[str, tuple[int, ...]],
    name: str,
    periods: list[int],
    seed: int,
    count: int,
) -> None:
    own = periods[: len(defaults[name])]
    if name in SLOW_AFTER_FAST:
        own = [number + bar for bar, number in enumerate(sorted(own))]
    bars = random_bars(seed, count)
    assert_is_talibs(name, bars, own, indicator(name, bars, *own), {}, f"{seed} {count}")
