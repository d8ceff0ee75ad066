"""
TA-Lib function by function: our equivalent, its numerical error, and its cost.

    PYTHONPATH=python .venv/bin/python python/benchmarks/bench_coverage.py

writes `models/indicators/coverage.md`. Errors are measured on the adversarial series of the tests
(flat, tied, with gaps, expensive, cheap), relative to the value or to the mean magnitude of its
column. The cost is CPU time per row of an indicator with all its outputs, on one thread, without
storing them, less the time to read the bars.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import talib
from rich.console import Console
from rich.progress import track

from duckbourse.settings import PROJECT
from tests.warehouse.indicators.candle_bars import candle_bars
from tests.warehouse.indicators.hostile_bars import bars_of, hostile_bars, walk
from tests.warehouse.indicators.on_read import Bars, OnRead, arrays
from tests.warehouse.indicators.talib_references import REFERENCES, candle, is_noise, rounding
from tests.warehouse.indicators.tolerances import scaled_error

COVERAGE = PROJECT / "models" / "indicators" / "coverage.md"
PLAIN_SQL = ("Math Operators", "Math Transform")
SYMBOLS, BARS = 400, 2_500
TEMPLATE = """
{%- set outputs = {} -%}
{%- for name in indicator_definitions() -%}
    {%- set definition = definition_of(name) -%}
    {%- set plan = series_plan('streaming') -%}
    {%- set outputs = {} -%}
    {%- set memory = {} -%}
    {%- for output, column in series_indicator(plan, name, []).items() -%}
        {%- do outputs.update({output: {'column': column, 'type': definition.type}}) -%}
        {%- do memory.update({
            output: none if series_is_cumulative(plan, column) else plan.columns[column].memory
        }) -%}
    {%- endfor -%}
    {%- do outputs.update({name: {
        'sql': series_steps(plan, outputs, 'bars.ohlcv'), 'talib': definition.talib,
        'memory': memory, 'periods': definition.periods.values() | list,
    }}) -%}
{%- endfor -%}
{{ tojson(outputs) }}
"""


@dataclass(frozen=True)
class Covered:
    """An output column of ours that is equivalent to a TA-Lib function."""

    function: str
    output: str
    error: float
    memory: int | None
    indicator: str
    nanoseconds: float

    def __str__(self) -> str:
        memory = "all" if self.memory is None else f"{self.memory:,}"
        error = f"{self.error:.0e}" if self.error else "0"
        return (
            f"| {self.function} | `{self.output}` | {error} | {memory} "
            f"| {self.indicator} {self.nanoseconds:,.0f} |"
        )


def definitions() -> dict[str, dict[str, Any]]:
    """Render the SQL and the memory of every indicator with the project's own macros."""
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    done = subprocess.run(
        [*dbt, "--inline", TEMPLATE], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def errors(
    name: str,
    definition: dict[str, Any],
    connection: duckdb.DuckDBPyConnection,
    given: dict[str, Bars],
) -> dict[str, float]:
    """Return the largest relative error of each output that TA-Lib also has."""
    connection.execute(f"create or replace temp table found as {definition['sql']}")
    worst = dict.fromkeys(
        (output for output, function in definition["talib"].items() if function), 0.0
    )
    for symbol, bars in given.items():
        found = arrays(connection.execute(f"from found where symbol = '{symbol}' order by bar_ts"))
        if name in REFERENCES:
            expected = REFERENCES[name](bars, *definition["periods"])
            hidden = is_noise(name, bars, definition["periods"])
        else:
            expected = {output: candle(bars, definition["talib"][output]) for output in worst}
            hidden = np.zeros(len(bars["close"]), bool)
        for output in worst:
            ours, theirs = (
                np.where(hidden, np.nan, values) for values in (found[output], expected[output])
            )
            error = scaled_error(ours, theirs, rounding(name, bars))
            worst[output] = max(worst[output], error)
    return worst


def nanoseconds(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    """Return the CPU time per row in nanoseconds, best of three."""
    columns = [str(name) for name, *_ in connection.execute(f"describe {sql}").fetchall()]
    read = ", ".join(f"max({name})" for name in columns[3:])
    best = np.inf
    for _ in range(3):
        started = time.process_time()
        connection.execute(f"select {read} from ({sql})").fetchall()
        best = min(best, time.process_time() - started)
    return float(best / (SYMBOLS * BARS) * 1e9)


def measured() -> list[Covered]:
    """Compare and time every indicator with an equivalent in TA-Lib."""
    hostile, many = OnRead(""), OnRead("")
    given = hostile_bars() | {"candles": candle_bars()}
    for symbol, bars in given.items():
        given[symbol] = {"volume": bars["high"], **bars}
        hostile.load(given[symbol], symbol)
    many.connection.execute("set threads = 1")
    for number in range(SYMBOLS):
        many.load(bars_of(walk(BARS, number), number), f"S{number:03}")
    prices = ", ".join(f"adjusted_{price}" for price in ("open", "high", "low", "close"))
    reading = nanoseconds(
        many.connection, f"select symbol, timeframe, bar_ts, {prices} from bars.ohlcv"
    )
    covered = []
    screen = Console(stderr=True)
    for name, definition in track(definitions().items(), "Indicators", console=screen):
        cost = max(nanoseconds(many.connection, definition["sql"]) - reading, 0)
        for output, error in errors(name, definition, hostile.connection, given).items():
            covered.append(
                Covered(
                    definition["talib"][output],
                    output,
                    error,
                    definition["memory"][output],
                    name,
                    cost,
                )
            )
    return covered


def written(covered: list[Covered]) -> list[str]:
    """Return the lines of the document: TA-Lib's groups, the equivalents, and what is missing."""
    lines = [
        "# TA-Lib's functions and their equivalents",
        "",
        "Written by `python/benchmarks/bench_coverage.py`, from the functions of TA-Lib "
        f"{talib.__version__}.",
        "",
        "- **Error**: the largest on the tests' hostile series, as a share of the value or of the",
        "  mean size of its column. Bars where TA-Lib's own value is rounding noise are left out;",
        "  `python/tests/warehouse/indicators/talib_references.py` names each such rule.",
        "- **Memory**: how many bars before its own a value looks at, with the default periods.",
        "- **Cost**: CPU nanoseconds a row of the whole indicator, unstored, on one thread.",
        "",
    ]
    groups: dict[str, list[str]] = talib.get_function_groups()  # type: ignore[no-untyped-call]
    by_function: dict[str, list[Covered]] = {}
    for column in covered:
        by_function.setdefault(column.function, []).append(column)
    for group, functions in groups.items():
        have = [function for function in functions if function in by_function]
        lines += [f"## {group}: {len(have)} of {len(functions)}", ""]
        if have:
            lines += ["| TA-Lib | column | error | memory, bars | cost, ns a row |"]
            lines += ["| --- | --- | --- | --- | --- |"]
            lines += [str(column) for function in have for column in by_function[function]]
            lines += [""]
        missing = [function for function in functions if function not in by_function]
        if missing:
            why = "Built into SQL" if group in PLAIN_SQL else "Not available yet"
            lines += [f"{why}: {', '.join(missing)}.", ""]
    return lines


def main() -> None:
    """Measure and write the document."""
    COVERAGE.write_text("\n".join(written(measured())).rstrip() + "\n")
    print(f"wrote {COVERAGE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
