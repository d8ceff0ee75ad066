"""Every stored indicator against TA-Lib, whose C code none of ours was made from."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pytest
import talib
from numpy.typing import NDArray

from tests.warehouse.conftest import Warehouse

Series = NDArray[np.float64]
Bars = dict[str, Series]

# the largest error that counts as none, as a share of the value or of the column's mean size
TOLERANCE = 1e-9

REFERENCES: dict[str, dict[str, Callable[[Bars], Series]]] = {
    "moving_averages": {
        "sma_20": lambda b: talib.SMA(b["close"], 20),
        "sma_50": lambda b: talib.SMA(b["close"], 50),
        "sma_200": lambda b: talib.SMA(b["close"], 200),
        "ema_20": lambda b: talib.EMA(b["close"], 20),
        "ema_50": lambda b: talib.EMA(b["close"], 50),
        "ema_200": lambda b: talib.EMA(b["close"], 200),
    },
    "rsi": {"rsi_14": lambda b: talib.RSI(b["close"], 14)},
    "macd": {
        "macd_12_26_9": lambda b: talib.MACD(b["close"], 12, 26, 9)[0],
        "macd_signal_12_26_9": lambda b: talib.MACD(b["close"], 12, 26, 9)[1],
        "macd_histogram_12_26_9": lambda b: talib.MACD(b["close"], 12, 26, 9)[2],
    },
    "bollinger": {
        "bollinger_upper_20": lambda b: talib.BBANDS(b["close"], 20, 2, 2)[0],
        "bollinger_middle_20": lambda b: talib.BBANDS(b["close"], 20, 2, 2)[1],
        "bollinger_lower_20": lambda b: talib.BBANDS(b["close"], 20, 2, 2)[2],
    },
    "atr": {
        "true_range_1": lambda b: talib.TRANGE(b["high"], b["low"], b["close"]),
        "atr_14": lambda b: talib.ATR(b["high"], b["low"], b["close"], 14),
        "natr_14": lambda b: talib.NATR(b["high"], b["low"], b["close"], 14),
    },
    "adx": {
        "plus_di_14": lambda b: talib.PLUS_DI(b["high"], b["low"], b["close"], 14),
        "minus_di_14": lambda b: talib.MINUS_DI(b["high"], b["low"], b["close"], 14),
        "dx_14": lambda b: talib.DX(b["high"], b["low"], b["close"], 14),
        "adx_14": lambda b: talib.ADX(b["high"], b["low"], b["close"], 14),
    },
    "obv": {"obv": lambda b: talib.OBV(b["close"], b["volume"])},
}
COLUMNS = [(family, column) for family, columns in REFERENCES.items() for column in columns]


def arrays(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Series]:
    found = connection.execute(sql).fetchnumpy()
    return {name: np.ma.filled(column.astype(np.float64), np.nan) for name, column in found.items()}


def assert_agrees(ours: Series, theirs: Series, where: str) -> None:
    missing = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), missing), f"{where}: other values are missing"
    if missing.all():
        return
    scale = np.maximum(np.abs(theirs), np.nanmean(np.abs(theirs)))
    error = np.nanmax(np.abs(ours - theirs) / np.where(scale > 0, scale, 1))
    assert error <= TOLERANCE, f"{where}: error {error:.2e}"


@pytest.mark.parametrize(("family", "column"), COLUMNS)
@pytest.mark.parametrize(
    ("symbol", "timeframe"),
    [("AAPL", "1d"), ("SPX", "1d"), ("SPX", "1w"), ("AAPL", "1m"), ("GOOG", "15m"), ("IBM", "1h")],
)
def test_stored_indicators_are_talibs(
    sample: Warehouse, family: str, column: str, symbol: str, timeframe: str
) -> None:
    series = f"where symbol = '{symbol}' and timeframe = '{timeframe}' order by bar_ts"
    prices = ", ".join(
        f"adjusted_{name} as {name}" for name in ("open", "high", "low", "close", "volume")
    )
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        bars = arrays(connection, f"select {prices} from bars.ohlcv {series}")
        ours = arrays(connection, f"select {column} from indicators.{family} {series}")[column]
    assert len(ours) > 100
    assert_agrees(ours, REFERENCES[family][column](bars), f"{symbol} {timeframe} {column}")


def hostile_bars() -> duckdb.DuckDBPyConnection:
    """Series of awkward lengths and shapes, side by side, in a bars table of their own."""
    random = np.random.default_rng(7)
    shapes: dict[str, Series] = {
        f"LENGTH_{n:03}": 100 * np.exp(np.cumsum(random.normal(0, 0.02, n)))
        for n in (1, 2, 13, 14, 15, 19, 20, 21, 26, 27, 28, 33, 34, 35, 199, 200, 201, 700)
    }
    shapes["FLAT"] = np.full(300, 42.0)
    shapes["RISING"] = np.linspace(10.0, 309.0, 300)
    shapes["FALLING"] = np.linspace(1000.0, 701.0, 300)
    shapes["DEAR"] = 100_000.0 + random.normal(0, 1.5, 500)
    shapes["CHEAP"] = 1e-4 * np.exp(np.cumsum(random.normal(0, 0.01, 500)))
    shapes["SPIKE"] = np.where(np.arange(400) == 200, 1e6, 100.0 + random.normal(0, 1, 400))
    rows = []
    for symbol, close in shapes.items():
        spread = np.abs(random.normal(0, 0.01, len(close))) * close * (symbol != "FLAT")
        volume = random.integers(0, 10**6, len(close)).astype(float)
        rows += [
            (symbol, k, close[k], close[k] + spread[k], close[k] - spread[k], close[k], volume[k])
            for k in range(len(close))
        ]
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as duckbourse; create schema duckbourse.bars")
    connection.execute(
        "create table given (symbol varchar, i bigint, open double, high double, low double, "
        "close double, volume double)"
    )
    connection.executemany("insert into given values (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("""
        create table duckbourse.bars.ohlcv as
        select
            symbol,
            '1d' as timeframe,
            timestamp '2020-01-01' + to_days(i::integer) as bar_ts,
            i as bar_number,
            0::bigint as session_bar_number,
            open as adjusted_open,
            high as adjusted_high,
            low as adjusted_low,
            close as adjusted_close,
            volume as adjusted_volume
        from given
        order by random()
    """)
    return connection


def test_hostile_series_are_talibs_and_never_mix(sample: Warehouse) -> None:
    connection = hostile_bars()
    symbols = [row[0] for row in connection.execute("select distinct symbol from given").fetchall()]
    for family, columns in REFERENCES.items():
        connection.execute(
            f"create table ours_{family} as {sample.compiled('indicators__' + family)}"
        )
        for symbol in symbols:
            bars = arrays(
                connection,
                "select open, high, low, close, volume from given "
                f"where symbol = '{symbol}' order by i",
            )
            ours = arrays(
                connection,
                f"select {', '.join(columns)} from ours_{family} "
                f"where symbol = '{symbol}' order by bar_ts",
            )
            for column, reference in columns.items():
                assert_agrees(ours[column], reference(bars), f"{symbol} {column}")


@pytest.mark.parametrize("family", [*REFERENCES, "vwap"])
def test_later_bars_change_no_earlier_value(sample: Warehouse, family: str) -> None:
    connection = hostile_bars()
    sql = sample.compiled(f"indicators__{family}")
    connection.execute(f"create table whole as {sql}")
    connection.execute("delete from duckbourse.bars.ohlcv where bar_number >= 150")
    connection.execute(f"create table part as {sql}")
    (differing,) = connection.execute("""
        select count(*) from (
            (from part)
            except all
            (select * from whole semi join part using (symbol, timeframe, bar_ts))
        )
    """).fetchall()[0]
    assert differing == 0


@pytest.mark.parametrize(("symbol", "timeframe"), [("AAPL", "1m"), ("KO", "15m"), ("IBM", "1h")])
def test_session_vwap_is_numpys(sample: Warehouse, symbol: str, timeframe: str) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        found = arrays(
            connection,
            "select epoch(bars.session_date) as session, vwap_session, adjusted_volume as volume, "
            "(adjusted_high + adjusted_low + adjusted_close) / 3 as price "
            "from bars.ohlcv as bars join indicators.vwap using (symbol, timeframe, bar_ts) "
            f"where symbol = '{symbol}' and timeframe = '{timeframe}' order by bar_ts",
        )
    for session in np.unique(found["session"]):
        of_session = found["session"] == session
        price, volume = found["price"][of_session], found["volume"][of_session]
        expected = np.cumsum(price * volume) / np.cumsum(volume)
        assert_agrees(found["vwap_session"][of_session], expected, f"{symbol} {session}")
