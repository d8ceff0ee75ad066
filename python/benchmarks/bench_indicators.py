"""
Indicators compared with the alternatives, from Parquet to a stored result, in one run.

    .venv/bin/pip install polars-talib
    .venv/bin/python python/benchmarks/bench_indicators.py [--bars 10000000] [--repeat 3] [--json]

Each contender runs in its own process and reads the same sorted Parquet file of minute bars:

    duckbourse     the SQL of a build, one table per family, one shard of symbols per core
    duckbourse on one core
    TA-Lib         a loop over symbols: read with pyarrow, call TA-Lib, write zstd Parquet
    polars         polars-talib with `.over('symbol')`, written to zstd Parquet
    write limit    a copy of duckbourse's finished tables: the cost of writing alone

CPU and wall clock cover the whole process from start to end; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.measured import measured
from duckbourse.settings import PROJECT

# The outputs measured in spec/indicators.md, in queries of 5 to 16.
FAMILIES = {
    "averages": {
        "sma(20)": ["sma_20"],
        "ema(20)": ["ema_20"],
        "wma(20)": ["wma_20"],
        "dema(20)": ["dema_20"],
        "tema(20)": ["tema_20"],
        "hma(20)": ["hma_20"],
        "kama(30)": ["kama_30"],
        "trix(15)": ["trix_15"],
        "macd(12, 26, 9)": ["macd_12_26_9", "macd_signal_12_26_9", "macd_histogram_12_26_9"],
    },
    "bands": {
        "bollinger(20)": [
            "bollinger_lower_20",
            "bollinger_upper_20",
            "bollinger_position_20",
            "bollinger_bandwidth_20",
        ],
        "keltner(20, 10)": ["keltner_lower_20_10", "keltner_middle_20_10", "keltner_upper_20_10"],
        "donchian(20)": ["donchian_lower_20", "donchian_middle_20", "donchian_upper_20"],
        "momentum(10)": ["mom_10"],
        "roc(10)": ["roc_10"],
    },
    "ranges": {
        "atr(14)": ["atr_14"],
        "natr(14)": ["natr_14"],
        "directional_movement(14)": ["plus_di_14", "minus_di_14", "adx_14"],
        "vortex(14)": ["vortex_plus_14", "vortex_minus_14"],
        "ultimate(7, 14, 28)": ["ultimate_7_14_28"],
    },
    "oscillators": {
        "rsi(14)": ["rsi_14"],
        "stochastic_rsi(14, 5, 3)": ["stochastic_rsi_k_14_5_3", "stochastic_rsi_d_14_5_3"],
        "stochastic(5, 3, 3)": ["stochastic_k_5_3_3", "stochastic_d_5_3_3"],
        "williams_r(14)": ["williams_r_14"],
        "cci(20)": ["cci_20"],
        "aroon(14)": ["aroon_up_14", "aroon_down_14"],
        "ichimoku(9, 26, 52)": [
            "ichimoku_tenkan_9_26_52",
            "ichimoku_kijun_9_26_52",
            "ichimoku_span_a_ahead_9_26_52",
            "ichimoku_span_b_ahead_9_26_52",
        ],
    },
    "flow": {
        "mfi(14)": ["mfi_14"],
        "obv": ["obv"],
        "ad": ["ad"],
        "adosc(3, 10)": ["adosc_3_10"],
        "cmf(20)": ["cmf_20"],
        "vwap": ["vwap_session"],
    },
    "stops": {"psar": ["psar"], "supertrend(10)": ["supertrend_10"]},
}
OUTPUTS = sum(len(names) for calls in FAMILIES.values() for names in calls.values())
SYMBOLS = 500
BARS_OF_A_SESSION = 375


def make_bars(folder: Path, bars: int) -> None:
    """Write random walks with a tick of 0.05 to one sorted file with the columns of bars.ohlcv."""
    sessions = max(1, bars // (SYMBOLS * BARS_OF_A_SESSION))
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; select setseed(0.5)")
        connection.execute(f"""
            copy (
                with moves as (
                    select
                        'SYM' || lpad(symbol::varchar, 3, '0') as symbol,
                        session,
                        minute,
                        0.0008 * (random() + random() + random() - 1.5) as move,
                        0.001 * random() as above,
                        0.001 * random() as below,
                        (random() * 10000)::integer::double as volume,
                        30 * pow(1000, symbol / {SYMBOLS}) as first_price
                    from range({SYMBOLS}) as symbols (symbol)
                    cross join range({sessions}) as sessions (session)
                    cross join range({BARS_OF_A_SESSION}) as minutes (minute)
                ),
                closes as (
                    select
                        *,
                        round(20 * first_price * exp(sum(move) over bars_to_date)) / 20 as close
                    from moves
                    window bars_to_date as (
                        partition by symbol order by session, minute rows unbounded preceding
                    )
                ),
                opens as (
                    select *, coalesce(lag(close) over bars_in_order, close) as open
                    from closes
                    window bars_in_order as (partition by symbol order by session, minute)
                )
                select
                    symbol,
                    '1m' as timeframe,
                    timestamp '2024-01-01 09:15' + to_days(session::integer) + to_minutes(minute)
                        as bar_ts,
                    session * {BARS_OF_A_SESSION} + minute as bar_number,
                    minute as session_bar_number,
                    open as adjusted_open,
                    round(20 * greatest(open, close) * (1 + above)) / 20 as adjusted_high,
                    round(20 * least(open, close) * (1 - below)) / 20 as adjusted_low,
                    close as adjusted_close,
                    volume as adjusted_volume
                from opens
                order by symbol, bar_ts
            ) to '{folder}/bars.parquet' (format parquet, compression zstd)
        """)


def _as_json(value: object, _: re.Match[str]) -> str:
    return json.dumps(value)


def family_sql(
    shards: list[str], bars: str, families: dict[str, dict[str, list[str]]]
) -> dict[str, str]:
    """Render each family's SQL with the project's macros, one stream per range of symbols."""
    wanted = {
        family: [name for names in calls.values() for name in names]
        for family, calls in families.items()
    }
    template = """
        {%- set sql = {} -%}
        {%- for family, calls in FAMILIES.items() -%}
            {%- set plan = series_plan('streaming') -%}
            {%- set outputs = {} -%}
            {%- for name, output in planned_outputs(plan, calls).items()
                if name in WANTED[family] -%}
                {%- do outputs.update({name: output}) -%}
            {%- endfor -%}
            {%- set parts = [] -%}
            {%- for shard in SHARDS -%}
                {%- do parts.append('from (' ~ series_steps(plan, outputs, BARS ~ shard) ~ ')') -%}
            {%- endfor -%}
            {%- do sql.update({family: parts | join(' union all ')}) -%}
        {%- endfor -%}
        {{ tojson(sql) }}
    """
    values = {
        "FAMILIES": {family: list(calls) for family, calls in families.items()},
        "WANTED": wanted,
        "SHARDS": shards,
        "BARS": bars,
    }
    for name, value in values.items():
        template = re.sub(rf"\b{name}\b", partial(_as_json, value), template)
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    done = subprocess.run(
        [*dbt, "--inline", template], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def connect(folder: Path, threads: int) -> duckdb.DuckDBPyConnection:
    # the storage format of profiles.yml, whose choice of compression determines the write cost
    format_of_builds: dict[str, str | bool | int | float | list[str]] = {
        "storage_compatibility_version": "v1.0.0"
    }
    connection = duckdb.connect(str(folder / "result.duckdb"), config=format_of_builds)
    connection.execute(f"set threads = {threads}; set memory_limit = '3GB'")
    connection.execute("set preserve_insertion_order = false")
    return connection


def run_duckbourse(folder: Path, threads: int) -> None:
    queries = json.loads((folder / f"sql_{threads}.json").read_text())
    with connect(folder, threads) as connection:
        for family, sql in queries.items():
            connection.execute(f"create table {family} as {sql}")


def run_write_limit(folder: Path) -> None:
    with connect(folder, 2) as connection:
        for family in FAMILIES:
            connection.execute(f"create table copy_of_{family} as from {family}")


def run_talib(folder: Path) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import talib

    file = pq.ParquetFile(folder / "bars.parquet")
    names = ["symbol", "bar_ts", *(f"adjusted_{n}" for n in ("open", "high", "low", "close"))]
    bars = file.read(columns=[*names, "adjusted_volume", "session_bar_number"])
    symbols = bars["symbol"].to_numpy()
    starts = np.flatnonzero(np.r_[True, symbols[1:] != symbols[:-1]])
    writer: Any = None
    for start, end in zip(starts, [*starts[1:], len(symbols)], strict=True):
        of_symbol = bars.slice(start, end - start)
        h, low, c, v = (
            of_symbol[f"adjusted_{n}"].to_numpy() for n in ("high", "low", "close", "volume")
        )
        outputs = talib_outputs(talib, np, h, low, c, v, of_symbol["session_bar_number"].to_numpy())
        table = pa.table({"symbol": of_symbol["symbol"], "bar_ts": of_symbol["bar_ts"], **outputs})
        writer = writer or pq.ParquetWriter(
            folder / "talib.parquet", table.schema, compression="zstd"
        )
        writer.write_table(table)
    writer.close()


def talib_outputs(
    ta: Any, np: Any, h: Any, low: Any, c: Any, v: Any, minute: Any
) -> dict[str, Any]:
    upper, middle, lower = ta.BBANDS(c, 20, 2.0, 2.0)
    macd, signal, histogram = ta.MACD(c, 12, 26, 9)
    rsi_k, rsi_d = ta.STOCHRSI(c, 14, 5, 3)
    k, d = ta.STOCH(h, low, c, 5, 3, slowd_period=3)
    aroon_down, aroon_up = ta.AROON(h, low, 14)
    vortex_plus, vortex_minus = ta.VORTEX(h, low, c, 14)
    top, center, bottom = ta.DONCHIAN(h, low, 20)
    ema, atr_10 = ta.EMA(c, 20), ta.ATR(h, low, c, 10)
    tenkan, kijun = ta.MIDPRICE(h, low, 9), ta.MIDPRICE(h, low, 26)
    typical = (h + low + c) / 3
    session = np.cumsum(minute == 0) - 1
    money, traded = np.cumsum(typical * v), np.cumsum(v)
    first = np.flatnonzero(minute == 0)
    before_money = np.where(first > 0, money[first - 1], 0)[session]
    before_traded = np.where(first > 0, traded[first - 1], 0)[session]
    return {
        "sma": ta.SMA(c, 20),
        "ema": ema,
        "wma": ta.WMA(c, 20),
        "dema": ta.DEMA(c, 20),
        "tema": ta.TEMA(c, 20),
        "hma": ta.HMA(c, 20),
        "kama": ta.KAMA(c, 30),
        "trix": ta.TRIX(c, 15),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "bollinger_lower": lower,
        "bollinger_upper": upper,
        "bollinger_position": (c - lower) / np.where(upper > lower, upper - lower, np.nan),
        "bollinger_bandwidth": (upper - lower) / middle,
        "keltner_lower": ema - 2 * atr_10,
        "keltner_middle": ema,
        "keltner_upper": ema + 2 * atr_10,
        "donchian_lower": bottom,
        "donchian_middle": center,
        "donchian_upper": top,
        "momentum": ta.MOM(c, 10),
        "roc": ta.ROC(c, 10),
        "atr": ta.ATR(h, low, c, 14),
        "natr": ta.NATR(h, low, c, 14),
        "plus_di": ta.PLUS_DI(h, low, c, 14),
        "minus_di": ta.MINUS_DI(h, low, c, 14),
        "adx": ta.ADX(h, low, c, 14),
        "vortex_plus": vortex_plus,
        "vortex_minus": vortex_minus,
        "ultimate": ta.ULTOSC(h, low, c, 7, 14, 28),
        "rsi": ta.RSI(c, 14),
        "stochastic_rsi_k": rsi_k,
        "stochastic_rsi_d": rsi_d,
        "stochastic_k": k,
        "stochastic_d": d,
        "williams_r": ta.WILLR(h, low, c, 14),
        "cci": ta.CCI(h, low, c, 20),
        "aroon_up": aroon_up,
        "aroon_down": aroon_down,
        "ichimoku_tenkan": tenkan,
        "ichimoku_kijun": kijun,
        "ichimoku_span_a": (tenkan + kijun) / 2,
        "ichimoku_span_b": ta.MIDPRICE(h, low, 52),
        "mfi": ta.MFI(h, low, c, v, 14),
        "obv": ta.OBV(c, v),
        "ad": ta.AD(h, low, c, v),
        "adosc": ta.ADOSC(h, low, c, v, 3, 10),
        "cmf": ta.CMF(h, low, c, v, 20),
        "vwap": (money - before_money) / (traded - before_traded),
        "psar": ta.SAR(h, low, 0.02, 0.2),
        "supertrend": ta.SUPERTREND(h, low, c, 10, 3.0)[0],
    }


def run_polars(folder: Path) -> None:
    import polars as pl
    import polars_talib as ta

    h, low, c, v = (pl.col(f"adjusted_{n}") for n in ("high", "low", "close", "volume"))
    bands = ta.bbands(c, 20, 2.0, 2.0, 0)
    lines = ta.macd(c, 12, 26, 9)
    fast, stochastic = ta.stochrsi(c, 14, 5, 3, 0), ta.stoch(h, low, c, 5, 3, 0, 3, 0)
    aroon = ta.aroon(h, low, 14)
    expressions = {
        "sma": ta.sma(c, 20),
        "ema": ta.ema(c, 20),
        "wma": ta.wma(c, 20),
        "dema": ta.dema(c, 20),
        "tema": ta.tema(c, 20),
        "kama": ta.kama(c, 30),
        "trix": ta.trix(c, 15),
        "macd": lines,
        "bollinger": bands,
        "momentum": ta.mom(c, 10),
        "roc": ta.roc(c, 10),
        "atr": ta.atr(h, low, c, 14),
        "natr": ta.natr(h, low, c, 14),
        "plus_di": ta.plus_di(h, low, c, 14),
        "minus_di": ta.minus_di(h, low, c, 14),
        "adx": ta.adx(h, low, c, 14),
        "ultimate": ta.ultosc(h, low, c, 7, 14, 28),
        "rsi": ta.rsi(c, 14),
        "stochastic_rsi": fast,
        "stochastic": stochastic,
        "williams_r": ta.willr(h, low, c, 14),
        "cci": ta.cci(h, low, c, 20),
        "aroon": aroon,
        "mfi": ta.mfi(h, low, c, v, 14),
        "obv": ta.obv(c, v),
        "ad": ta.ad(h, low, c, v),
        "adosc": ta.adosc(h, low, c, v, 3, 10),
        "psar": ta.sar(h, low, 0.02, 0.2),
        "ichimoku_tenkan": ta.midprice(h, low, 9),
        "ichimoku_kijun": ta.midprice(h, low, 26),
        "ichimoku_span_b": ta.midprice(h, low, 52),
    }
    structs = ("macd", "bollinger", "stochastic_rsi", "stochastic", "aroon")
    table = pl.scan_parquet(folder / "bars.parquet").select(
        "symbol", "bar_ts", *(e.over("symbol").alias(name) for name, e in expressions.items())
    )
    columns: list[Any] = []
    for name in expressions:
        columns.append(
            pl.col(name).name.prefix_fields(f"{name}_") if name in structs else pl.col(name)
        )
    found = table.select("symbol", "bar_ts", *columns).unnest(*structs).collect()
    found.write_parquet(folder / "polars.parquet", compression="zstd")
    (folder / "polars_outputs").write_text(str(found.width - 2))


WAYS: dict[str, Callable[[Path], None]] = {
    "duckbourse": lambda folder: run_duckbourse(folder, 2),
    "write limit": run_write_limit,
    "duckbourse on one core": lambda folder: run_duckbourse(folder, 1),
    "TA-Lib": run_talib,
    "polars": run_polars,
}


def run(way: str, folder: Path) -> dict[str, float]:
    """Run one contender in its own process."""
    if way.startswith("duckbourse"):
        (folder / "result.duckdb").unlink(missing_ok=True)
    command = [sys.executable, __file__, "--child", way, "--folder", str(folder)]
    took = measured(command, PYTHONPATH=str(PROJECT / "python"))
    return {"wall_s": took.wall_s, "cpu_s": took.cpu_s, "peak_mb": took.peak_mb}


def main() -> None:
    """Generate the bars, measure each contender in turn, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, default=10_125_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-indicators")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        WAYS[options.child](options.folder)
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    make_bars(options.folder, options.bars)
    bars = f"'{options.folder}/bars.parquet'"
    for threads in (1, 2):
        middle = f"'SYM{SYMBOLS // 2:03}'"
        halves = [f" where symbol < {middle}", f" where symbol >= {middle}"]
        sql = family_sql(halves if threads == 2 else [""], bars, FAMILIES)
        (options.folder / f"sql_{threads}.json").write_text(json.dumps(sql))
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in options.only}
    for _ in range(options.repeat):
        for way in options.only:
            runs[way].append(run(way, options.folder))
    rows = {
        way: {figure: statistics.median(run[figure] for run in found) for figure in found[0]}
        for way, found in runs.items()
    }
    for way in rows:
        own = options.folder / f"{way}_outputs"
        rows[way]["outputs"] = int(own.read_text()) if own.exists() else OUTPUTS
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None)
    figures = ("CPU s", "by TA-Lib", "wall s", "by TA-Lib", "CPU ms/output", "peak MB")
    for name in ("", "outputs", *figures):
        table.add_column(name, justify="right" if name else "left")
    talib = rows.get("TA-Lib")
    for way, row in rows.items():
        table.add_row(
            way,
            str(row["outputs"]),
            f"{row['cpu_s']:.1f}",
            f"{row['cpu_s'] / talib['cpu_s']:.2f}" if talib else "",
            f"{row['wall_s']:.1f}",
            f"{row['wall_s'] / talib['wall_s']:.2f}" if talib else "",
            f"{1000 * row['cpu_s'] / row['outputs']:,.0f}",
            f"{row['peak_mb']:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
