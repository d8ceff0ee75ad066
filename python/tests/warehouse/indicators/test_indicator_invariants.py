"""Invariants of every indicator, whatever its formula."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pytest
import yaml

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse
from tests.warehouse.indicators.candle_bars import candle_bars
from tests.warehouse.indicators.hostile_bars import PRICES, bars_of, first_bars, hostile_bars, walk
from tests.warehouse.indicators.on_read import Bars, OnRead, arrays
from tests.warehouse.indicators.talib_references import REFERENCES, is_noise, rounding
from tests.warehouse.indicators.tolerances import assert_agrees, assert_same

GOLDEN = Path(__file__).parent / "golden_sql.yml"
CANDLES = [f"candles_of_{count}" for count in ("one_bar", "two_bars", "three_bars", "more_bars")]
NAMES = [*REFERENCES, *CANDLES]

# What an indicator becomes if all prices are a hundred times what they were: as many times so much.
# An angle is that of a slope, and no number of times.
OF_PRICES = {
    *("sma", "ema", "wma", "dema", "tema", "trima", "hma", "kama", "t3", "macd", "apo", "momentum"),
    *("true_range", "atr", "donchian", "keltner", "ichimoku", "vwap", "midpoint", "midprice"),
    *("typical_price", "median_price", "weighted_close", "average_price", "average_deviation"),
    *("stddev", "linear_regression", "pivot_points_classic", "pivot_points_fibonacci"),
    *("pivot_points_camarilla", "bollinger_lower", "bollinger_middle", "bollinger_upper"),
    *("plus_dm", "minus_dm", "psar", "psar_extreme", "supertrend", "supertrend_lower"),
    "supertrend_upper",
}
RATIOS = {"psar_direction", "psar_acceleration", "supertrend_direction"}
OF_VOLUME = {"obv", "ad", "adosc", "cmf", "mfi", "vwap"}


def volatile(count: int, seed: int) -> Bars:
    """Bars in sessions of one to seven, in sixty-fourths, so that ties occur and sums are exact."""
    bars = bars_of(walk(count, seed), seed)
    return bars | {name: np.round(bars[name] * 64) / 64 for name in PRICES}


@pytest.fixture(scope="module")
def memories(sample: Warehouse) -> dict[str, tuple[int | None, int]]:
    """How many bars each indicator looks back, None for all of them, and its warm-up."""
    rows = sample.query(
        "select indicator, if(count(*) = count(memory_bars), max(memory_bars), null), "
        "max(warm_up_bars) from serving.indicator_catalog group by indicator"
    )
    return {str(name): (memory, warm_up) for name, memory, warm_up in rows}  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_later_bars_change_no_earlier_value(indicator: OnRead, name: str) -> None:
    bars = volatile(420, 3)
    whole = indicator(name, bars)
    for count in (1, 2, 60, 250, 419):
        part = indicator(name, first_bars(bars, count))
        assert_same(part, first_bars(whole, count), f"{name} of {count} bars")


@pytest.mark.parametrize("name", NAMES)
def test_bars_beyond_the_lookback_do_not_matter(
    indicator: OnRead, memories: dict[str, tuple[int | None, int]], name: str
) -> None:
    memory, warm_up = memories[name]
    if memory is None:
        assert name in ("obv", "ad", "adosc", "psar", "supertrend")
        return
    bars = volatile(warm_up + memory + 40, 5)
    first = warm_up + 20
    first -= int(bars["session_bar_number"][first])
    whole = indicator(name, bars)
    indicator.connection.execute("delete from bars.ohlcv")
    indicator.load(bars, first=first)
    part = indicator.ask(name)
    kept = {output: values[memory:] for output, values in part.items()}
    assert len(next(iter(kept.values()))) > 10
    assert any(not np.isnan(values).all() for values in kept.values())
    assert_same(kept, {output: whole[output][first + memory :] for output in kept}, name)


@pytest.mark.parametrize("name", NAMES)
def test_other_series_do_not_matter(indicator: OnRead, name: str) -> None:
    series = {f"S{k}": volatile(count, k) for k, count in enumerate((1, 13, 300, 2, 299, 14, 40))}
    series["S2"] = series["S2"] | {"volume": np.full(300, np.nan)}
    alone = {symbol: indicator(name, bars) for symbol, bars in series.items()}
    indicator.connection.execute("delete from bars.ohlcv")
    for symbol, bars in series.items():
        indicator.load(bars, symbol)
    shuffle = "create or replace table bars.ohlcv as from bars.ohlcv order by hash(bar_ts, symbol)"
    for _ in range(2):
        for symbol in series:
            assert_same(indicator.ask(name, symbol=symbol), alone[symbol], f"{name} of {symbol}")
        indicator.connection.execute(shuffle)


@pytest.mark.parametrize("name", NAMES)
def test_units_of_prices_do_not_matter(indicator: OnRead, name: str) -> None:
    bars = candle_bars(wild=500, times=1) if name in CANDLES else volatile(500, 9)
    found = indicator(name, bars)
    dear = indicator(name, bars | {price: bars[price] * 100 for price in PRICES})
    for output, values in found.items():
        if output == "linear_regression_angle":
            continue
        of_price = (name in OF_PRICES or output in OF_PRICES) and output not in RATIOS
        factor = 100**2 if name == "variance" else 100 if of_price else 1
        # a candle's sizes are sums of tenths, in which a tie is a matter of rounding
        if name in CANDLES:
            assert np.mean(dear[output] != values) < 0.02
        else:
            assert_agrees(dear[output], values * factor, output, tolerance=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_without_volumes_only_volume_indicators_are_null(indicator: OnRead, name: str) -> None:
    bars = volatile(300, 11)
    without = indicator(name, bars | {"volume": np.full(300, np.nan)})
    for output, values in indicator(name, bars).items():
        expected = np.full(300, np.nan) if name in OF_VOLUME else values
        np.testing.assert_array_equal(without[output], expected, output)


LOWERED = """
{%- set lowered = {} -%}
{%- for name in indicator_definitions() -%}
    {%- set of_name = {} -%}
    {%- for lowering in ['streaming', 'windows'] -%}
        {%- set plan = series_plan(lowering) -%}
        {%- set outputs = {} -%}
        {%- for output, column in series_indicator(plan, name, []).items() -%}
            {%- set type = definition_of(name).type -%}
            {%- do outputs.update({output: {'column': column, 'type': type}}) -%}
        {%- endfor -%}
        {%- set order = ' order by symbol, bar_ts' if lowering == 'streaming' else '' -%}
        {%- do of_name.update({lowering: series_steps(plan, outputs, 'bars.ohlcv' ~ order)}) -%}
    {%- endfor -%}
    {%- do lowered.update({name: of_name}) -%}
{%- endfor -%}
{{ tojson(lowered) }}
"""


@pytest.fixture(scope="module")
def lowered(sample: Warehouse) -> dict[str, dict[str, str]]:
    found = sample.inline(LOWERED)
    return dict(json.loads(found))


def test_the_sql_is_the_same_as_before(
    lowered: dict[str, dict[str, str]], table_macros: str
) -> None:
    golden = yaml.safe_load(GOLDEN.read_text())
    on_read = re.split(r"create or replace macro indicators\.(\w+)", table_macros)[1:]
    on_read_of = dict(zip(on_read[::2], on_read[1::2], strict=True))
    found = {
        name: {
            variant: hashlib.md5(" ".join(sql.split()).encode()).hexdigest()[:12]
            for variant, sql in {**lowered[name], "on_read": on_read_of[name]}.items()
        }
        for name in golden
    }
    assert found == golden, "if it is meant to differ, put the new checksums into golden_sql.yml"


def test_the_golden_sql_has_every_operation() -> None:
    operations = (PROJECT / "macros" / "series" / "operations.sql").read_text()
    definitions = "".join(
        (PROJECT / "macros" / "indicators" / f"{name}.sql").read_text()
        for name in yaml.safe_load(GOLDEN.read_text())
    )
    words = re.findall(r"'(\w+)': \[", operations)
    assert [word for word in words if not re.search(rf"\b{word}\(", definitions)] == []


@pytest.fixture(scope="module")
def hostile() -> dict[str, Bars]:
    return hostile_bars()


@pytest.fixture(scope="module")
def shuffled(table_macros: str, hostile: dict[str, Bars]) -> duckdb.DuckDBPyConnection:
    on_read = OnRead(table_macros)
    for symbol, bars in hostile.items():
        on_read.load(bars, symbol)
    on_read.connection.execute(
        "create or replace table bars.ohlcv as from bars.ohlcv order by hash(bar_ts, symbol)"
    )
    return on_read.connection


@pytest.mark.parametrize("name", NAMES)
def test_streams_and_windows_agree(
    sample: Warehouse,
    lowered: dict[str, dict[str, str]],
    shuffled: duckdb.DuckDBPyConnection,
    hostile: dict[str, Bars],
    name: str,
) -> None:
    periods = [int(period) for period in default_periods(sample, name).split(",") if period]
    for lowering in ("streaming", "windows"):
        shuffled.execute(f"create or replace temp table {lowering} as {lowered[name][lowering]}")
    for symbol, bars in hostile.items():
        of_symbol = f"where symbol = '{symbol}' order by bar_ts"
        streaming, windows = (
            arrays(shuffled.execute(f"from {lowering} {of_symbol}"))
            for lowering in ("streaming", "windows")
        )
        blurred = is_noise(name, bars, periods)
        for output, values in streaming.items():
            ours, theirs = (
                np.where(blurred, np.nan, column) for column in (values, windows[output])
            )
            assert_agrees(ours, theirs, f"{symbol} {output}", rounding(name, bars))


@pytest.mark.parametrize("name", ["obv", "ad"])
@pytest.mark.parametrize("lowering", ["streaming", "windows"])
def test_a_missing_volume_adds_nothing(
    table_macros: str,
    indicator: OnRead,
    lowered: dict[str, dict[str, str]],
    lowering: str,
    name: str,
) -> None:
    on_read = OnRead(table_macros)
    unknown = np.isin(np.arange(300), (0, 1, 2, 100, 299))
    series = {f"S{seed}": volatile(300, seed) for seed in range(3)}
    for symbol, bars in series.items():
        on_read.load(bars | {"volume": np.where(unknown, np.nan, bars["volume"])}, symbol)
    on_read.connection.execute(f"create table found as {lowered[name][lowering]}")
    for symbol, bars in series.items():
        rows = f"select {name} from found where symbol = '{symbol}' order by bar_ts"
        found = arrays(on_read.connection.execute(rows))[name]
        of_nothing = indicator(name, bars | {"volume": np.where(unknown, 0, bars["volume"])})[name]
        assert np.isnan(found[:3]).all()
        np.testing.assert_array_equal(found[3:], of_nothing[3:])


def default_periods(sample: Warehouse, name: str) -> str:
    ((periods,),) = sample.query(
        "select distinct coalesce(periods, '') from serving.indicator_catalog "
        f"where indicator = '{name}'"
    )
    return str(periods)


def test_rows_out_of_order_are_seen(sample: Warehouse, shuffled: duckdb.DuckDBPyConnection) -> None:
    sql = sample.inline("{{ rows_out_of_order('bars.ohlcv') }}")
    assert shuffled.execute(sql).fetchall()[0][0] > 1000
    shuffled.execute("create table in_order as from bars.ohlcv order by symbol, timeframe, bar_ts")
    assert shuffled.execute(sql.replace("bars.ohlcv", "in_order")).fetchall() == [(0,)]
