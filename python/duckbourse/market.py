"""
The published file in a notebook: `market = duckbourse.open()`.

Every method returns a DuckDB relation, which runs each time its rows are asked for. `.filter(…)`,
`.order(…)`, `.limit(…)` and `.join(…)` refine it; `.show()` prints it; `.fetchall()`, `.df()`
(pandas), `.pl()` (Polars and pyarrow) and `.to_arrow_table()` (pyarrow) read it. `.arrow()` is a
reader of batches: read it to its end before the next question.

    >>> may = market.bars("AAPL", "1d").filter("session_date between '2010-05-01' and '2010-05-31'")
    >>> may.order("volume desc").select("session_date::varchar, close").limit(1).fetchall()
    [('2010-05-07', 235.86)]

Nothing is computed here: each method asks a table macro or a table of the file, and
`models/README.md` describes its rows and columns. Returns are fractions (0.01 is one percent), a
VaR is a positive loss, `_ts` is exchange-local time, `_at` is UTC, and NULL means not known
yet or not defined, never zero.

A date is a `date` or ISO text ('2010-05-28'), a time of day a `time` or text ('09:50'). A name
that is not published raises BadArgument, and one in the text of `Market.sql` BadQuery: each is a
ValueError with the nearest name that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import reduce
from operator import and_, index
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsIndex

import duckdb
from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation

from duckbourse.disk import is_text
from duckbourse.errors import BadArgument, BadQuery, BuildFailed, NoSuchName, PublicationError
from duckbourse.names import nearest
from duckbourse.settings import settings
from duckbourse.warehouse import (
    CATALOG,
    SCANNERS,
    Limits,
    confine,
    fetch_rows,
    one_line,
    open_published,
    slip_in,
    unpublished,
)
from duckbourse.words import counted

# The newest version of the public tables (models/README.md) that this module can read.
CONTRACT_VERSION = 1

# the periods of an indicator; `query_as_text` in macros/dbt has the same limits
BARS = range(1, 2048)

IN_ORDER = "list_position(['1m', '5m', '15m', '30m', '1h', '1d', '1w'], timeframe)"
SYMBOLS = "select distinct symbol from serving.latest_bars order by all"
TIMEFRAMES = f"select timeframe from serving.latest_bars where symbol = $of order by {IN_ORDER}"
INDICATORS = "select distinct indicator from serving.indicator_catalog order by all"
PERIODS = """
    select distinct coalesce(periods, '') from serving.indicator_catalog where indicator = $of
"""
PORTFOLIOS = "select portfolio from seeds.portfolios order by all"
IS_SCANNED = "select 1 from scanners.session_minutes where session_date = $of limit 1"
NEAREST_SESSIONS = """
    select unnest([
        max(session_date) filter (where session_date < $of),
        min(session_date) filter (where session_date > $of)
    ])
    from scanners.session_minutes
"""
HOLDS = f"""
    select
        count(distinct symbol) as symbols,
        array_to_string(list(distinct timeframe order by {IN_ORDER}), ' ') as timeframes,
        max(session_date) as newest
    from serving.latest_bars
"""
TABLES = """
    select
        schema_name || '.' || table_name as relation,
        publication.row_counts[relation] as row_count,
        comment
    from (
        select schema_name, table_name, comment from duckdb_tables()
        where database_name = current_database()
        union all
        select schema_name, view_name, comment from duckdb_views()
        where database_name = current_database() and not internal
    )
    cross join serving.publication
    order by relation
"""
# {} is backtests.trades or backtests.equity
OF_RUNS = """
    select scanner, preset, setting, found.*
    from {} as found inner join backtests.runs using (run_id)
"""


def open(path: str | Path | None = None) -> Market:
    """
    Open a published file, read-only; without a path, the one of this project's settings.

    Nothing else has to be installed or running: neither dbt nor a server. Builds go on and publish
    while it is open, and `Market.refresh` moves to what they published.
    """
    return Market(Path(path).expanduser() if path else settings().published_database)


class Market:
    """
    One publication, until `refresh`. Its repr says which: how new, from which revision and data.

    It closes at the end of a `with`, by `close`, or with the notebook.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._path, self._limits = path, limits
        self._current: _Publication | None = _opened(path, limits)

    def bars(self, symbol: str, timeframe: str) -> DuckDBPyRelation:
        """
        Return every bar of a series, oldest first: the columns of `bars.ohlcv`.

        `open` to `close` and `volume` are as traded; the `adjusted_` columns are adjusted for
        splits and bonuses.

        >>> market.bars("AAPL", "1d").order("bar_ts desc").select("close").limit(2).fetchall()
        [(430.47,), (441.4,)]
        """
        return self.unsorted_bars(symbol, timeframe).order("bar_ts")

    def unsorted_bars(self, symbol: str, timeframe: str) -> DuckDBPyRelation:
        """
        Return every bar of a series, in no order: cheaper than `bars` for a part of a long one.

        DuckDB sorts the whole series before it takes the newest bars of a relation that is sorted.
        """
        name, period = self._series(symbol, timeframe)
        return self._rows("bars.ohlcv", symbol=name, timeframe=period)

    def indicators(self, symbol: str, timeframe: str) -> DuckDBPyRelation:
        """
        Return every stored indicator of a series, one row a bar, oldest first.

        A column is `<name>[_<part>]_<periods>`, such as `rsi_14`. It is NULL while its window
        fills, and where its family is not stored for the timeframe; `indicator` computes those.

        >>> market.indicators("AAPL", "1d").select("bar_ts, rsi_14, sma_20").columns
        ['bar_ts', 'rsi_14', 'sma_20']
        """
        return self._macro("indicator_history", *self._series(symbol, timeframe))

    def indicator(
        self, name: str, symbol: str, timeframe: str, periods: int | Sequence[int] | None = None
    ) -> DuckDBPyRelation:
        """
        Return one indicator of a series, stored or not, for any periods: one row a bar.

        Several periods are a list; without any, those of `serving.indicator_catalog` apply. Join
        it to its bars by their key:

        >>> rsi = market.indicator("rsi", "AAPL", "1d", 21)
        >>> market.bars("AAPL", "1d").join(rsi, "symbol, timeframe, bar_ts").columns[-1]
        'rsi'
        >>> market.indicator("macd", "AAPL", "1d", [5, 35, 5]).columns[-3:]
        ['macd', 'macd_signal', 'macd_histogram']
        """
        series = self._series(symbol, timeframe)
        lister = "market.sql('from serving.indicator_catalog')"
        one_of("indicator", name, self._names(INDICATORS), lister=lister)
        [defaults] = self._names(PERIODS, name)
        usual, given = [int(number) for number in defaults.split(",") if number], _periods(periods)
        if given and len(given) != len(usual):
            takes = f"{len(usual)} as in {usual}" if usual else "none"
            raise BadArgument(f"the periods of {name} are {takes}, not {len(given)}: {given}")
        return self._macro("indicator", name, *series, given or None)

    def scan(
        self,
        scanner: str,
        session: date | str,
        cutoff: time | str,
        preset: str,
        until: date | str | None = None,
    ) -> DuckDBPyRelation:
        """
        Return what a scanner sees in a session at a time of day, using only what was known by then.

        One row is a symbol that it looked at, best first, with the columns of
        `scanners.<scanner>`: `rejected_by` is the rule that a symbol failed, NULL for a candidate.
        With `until`, every session up to that one is scanned.

        >>> crp = market.scan("crp", "2010-05-28", "09:50", "standard")
        >>> crp.filter("rejected_by is null").select("symbol, direction, score").limit(1).fetchall()
        [('MMM', 'short', 95.0)]
        """
        one_of("scanner", scanner, self._names(SCANNERS))
        first, last = days(session, until)
        at = _time_of_day(cutoff)
        one_of("preset", preset, self._presets(scanner), f" of {scanner}")
        if last is None and not self._values(IS_SCANNED, first):
            near = [day for day in self._values(NEAREST_SESSIONS, first) if day]
            raise BadArgument(f"there are no one-minute bars of {first}; nearest: {_listed(near)}")
        found = self._macro(f"{scanner}_scan", first, at, preset, last)
        try:  # the macro checks the cutoff only when rows are asked for; of no symbol they are few
            found.filter("symbol = ''").fetchall()
        except duckdb.InvalidInputException as error:
            raise BadArgument(one_line(error).partition("Error: ")[2]) from error
        return found

    def signals(
        self,
        *,
        scanner: str | None = None,
        preset: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        with_outcomes: bool = False,
    ) -> DuckDBPyRelation:
        """
        Return the signals of `scanners.signals`, oldest first: all, or those that are asked for.

        `with_outcomes` adds what followed each of them, as in `serving.signals_with_outcomes`.

        `since` and `until` are trading dates, both included. `known_ts` is the time from which a
        signal is known; prices are as traded; `position_pct` is percent of the account.

        >>> market.signals(scanner="crp", since="2010-05-28").select("symbol").distinct().columns
        ['symbol']
        """
        if scanner is not None:
            one_of("scanner", scanner, self._names(SCANNERS))
        if preset is not None:
            scanners = self._names(SCANNERS) if scanner is None else [scanner]
            known = sorted({name for each in scanners for name in self._presets(each)})
            one_of("preset", preset, known, f" of {scanner}" if scanner else "")
        table = "serving.signals_with_outcomes" if with_outcomes else "scanners.signals"
        found = self._rows(table, scanner=scanner, preset=preset)
        first, last = days(since, until)
        session = ColumnExpression("session_date")
        if first is not None:
            found = found.filter(session >= ConstantExpression(first))
        if last is not None:
            found = found.filter(session <= ConstantExpression(last))
        return found.order("session_date, known_ts, scanner, preset, signal_rank")

    def backtest(
        self, scanner: str, preset: str | None = None, setting: str | None = None
    ) -> Backtest:
        """
        Return the published backtests of a scanner: `.summary`, `.trades` and `.equity`.

        A run is a preset traded under one row of `backtest_settings.csv`; without a preset or a
        setting, the relations hold every run.

        >>> market.backtest("crp", "standard", "us_fixed").summary.select("trade_count").fetchall()
        [(108,)]
        """
        found = Backtest(self, scanner, preset, setting)
        _narrowed("backtest of", self._fetch("from backtests.runs"), found._chosen)
        return found

    def portfolio(self, name: str) -> Portfolio:
        """
        Return a portfolio or an account: `.returns()`, `.equity()`, `.weights()` and the others.

        >>> market.portfolio("equal_20").returns().columns[:3]
        ['portfolio', 'session_date', 'gross_return']
        """
        return Portfolio(self, one_of("portfolio", name, self._names(PORTFOLIOS)))

    def var(
        self,
        portfolio: str,
        *,
        confidence: float = 0.99,
        horizon: int = 1,
        method: str | None = None,
        lookback: int | None = None,
    ) -> DuckDBPyRelation:
        """
        Return value at risk and expected shortfall of a portfolio, oldest session first.

        One row is a session, a method and a lookback, with the columns of `risk.var_estimates`;
        the last session is the next one to come. The confidence is 0.99 unless another is given,
        as everywhere. `horizon` and `lookback` are in sessions; without a method or lookback,
        every one. `var_return` and `es_return` are fractions of the
        portfolio, `var_amount` and `es_amount` money, and losses are positive.

        >>> var = market.var("equal_20", method="ewma")
        >>> var.order("session_date desc").select("session_date, var_return, es_return").columns
        ['session_date', 'var_return', 'es_return']
        """
        one_of("portfolio", portfolio, self._names(PORTFOLIOS))
        chosen = {
            "confidence": confidence,
            "horizon_sessions": horizon,
            "method": method,
            "lookback_sessions": lookback,
        }
        _narrowed("VaR with", self._fetch("from seeds.var_settings"), chosen)
        return self._macro("portfolio_var", portfolio, *chosen.values())

    def symbols(self) -> DuckDBPyRelation:
        """Return every symbol and timeframe that has bars, with its last one."""
        return self._rows("serving.latest_bars").order(f"symbol, {IN_ORDER}")

    def tables(self) -> DuckDBPyRelation:
        """Return every table and view: its number of rows (NULL for a view) and its comment."""
        return self._connection.sql(TABLES)

    def sql(self, query: str, values: Mapping[str, object] | None = None) -> DuckDBPyRelation:
        """
        Return a query's rows. It can read nothing but the publication and can change nothing.

        Whatever comes from elsewhere goes into `values`, never into the text:

        >>> market.sql("from signals_on($day)", {"day": "2010-05-28"}).columns[:2]
        ['signal_id', 'scanner']
        """
        if not isinstance(query, str) or not is_text(query):
            raise BadQuery("a query is text in UTF-8", 'such as "from serving.publication"')
        if not isinstance(values, Mapping | None):
            raise BadArgument(
                f"{values!r} are not values by name", "write $day in the query, and {'day': …}"
            )
        try:
            kinds = [found.type for found in self._connection.extract_statements(query)]
            if kinds != [duckdb.StatementType.SELECT]:
                names = " and ".join(kind.name for kind in kinds) or "nothing"
                raise BadQuery(f"market.sql takes one query that returns rows, not {names}")
            return self._connection.sql(query, params=dict(values) if values else None)
        except duckdb.Error as error:
            unknown = isinstance(error, duckdb.CatalogException)
            lister = "market.tables() lists all tables" if unknown else ""
            raise BadQuery(one_line(error), slip_in(query, error) or lister) from error

    def refresh(self) -> bool:
        """
        Move to the publication that is there now, and return whether it is another one.

        Relations that were taken before still read the former one; it is closed with the last.
        """
        if stamp_of(self._path) == self._publication.stamp:
            return False
        former, self._current = self._publication, _opened(self._path, self._limits)
        return self._current.record != former.record

    @property
    def stamp(self) -> tuple[int, int]:
        """What `stamp_of` its file was when it was opened."""
        return self._publication.stamp

    @property
    def record(self) -> Mapping[str, Any]:
        """The row of `serving.publication`."""
        return self._publication.record

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection of all its relations; only one thread may use it."""
        return self._connection

    def twin(self) -> Market:
        """Return a market of the same open publication for another thread; close it first."""
        cursor = self._connection.cursor()
        cursor.execute(f"use {CATALOG}")
        other = object.__new__(Market)
        other._path, other._limits = self._path, self._limits
        other._current = replace(self._publication, connection=cursor)
        return other

    def close(self) -> None:
        """Close the file, and with it the relations that were taken from it."""
        if self._current is not None:
            self._current.connection.close()
            self._current = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._current is None:
            return f"duckbourse: {self._path}, closed"
        [holds] = self._fetch(HOLDS)
        record = self._current.record
        published = record["published_at"]
        lines = [
            f"duckbourse: {self._path}",
            f"  published {published:%Y-%m-%d %H:%M} UTC" if published else "  not published",
            f"  from revision {record['git_revision']} and data {record['data_version'][:12]}",
            f"  {holds['symbols']:,} symbols in {holds['timeframes'] or 'no timeframe'}, "
            f"newest bar {holds['newest'] or 'none'}",
        ]
        if record["as_of"]:
            lines.insert(2, f"  as known on {record['as_of']:%Y-%m-%d %H:%M} UTC")
        return "\n".join(lines)

    @property
    def _publication(self) -> _Publication:
        if self._current is None:
            raise PublicationError(f"{self._path} was closed", "open it again: duckbourse.open()")
        return self._current

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._publication.connection

    def _fetch(self, query: str, of: object = None) -> list[dict[str, Any]]:
        return fetch_rows(self._connection, query, None if of is None else {"of": of})

    def _names(self, query: str, of: str | None = None) -> list[Any]:
        # of names that are published, so they are few, and the same until the next publication
        names = self._publication.names
        if (query, of) not in names:
            names[query, of] = self._values(query, of)
        return names[query, of]

    def _values(self, query: str, of: object = None) -> list[Any]:
        return [value for row in self._fetch(query, of) for value in row.values()]

    def _presets(self, scanner: str) -> list[Any]:
        # the scanner is a checked name
        return [row["preset"] for row in self._fetch(f"from seeds.{scanner}_presets")]

    def _series(self, symbol: str, timeframe: str) -> tuple[str, str]:
        one_of("symbol", symbol, self._names(SYMBOLS), lister="market.symbols()")
        one_of("timeframe", timeframe, self._names(TIMEFRAMES, symbol), f" of {symbol}")
        return symbol, timeframe

    def _macro(self, name: str, *values: object) -> DuckDBPyRelation:
        # values are bound as constants, and are never part of a text
        try:
            return self._connection.table_function(name, list(values))
        except (duckdb.InvalidInputException, duckdb.CatalogException) as error:
            raise BadArgument(one_line(error).partition("Error: ")[2]) from error

    def _rows(self, relation: str, **wanted: object) -> DuckDBPyRelation:
        return filtered(self._connection.table(relation), wanted)


@dataclass(frozen=True)
class Portfolio:
    """One portfolio or account. Returns are fractions; a drawdown is 0 or negative."""

    _market: Market = field(repr=False)
    name: str

    def returns(self) -> DuckDBPyRelation:
        """Return gross and net return, turnover and stale prices of each session."""
        return self._rows("portfolio.returns", "session_date")

    def equity(self) -> DuckDBPyRelation:
        """Return growth of 1, drawdown and benchmark of each session, before and after costs."""
        return self._rows("portfolio.equity", "basis, session_date")

    def weights(self) -> DuckDBPyRelation:
        """Return the weight of each symbol held; an account has no `target_weight`."""
        return self._rows("portfolio.weights", "session_date, symbol")

    def holdings(self) -> DuckDBPyRelation:
        """Return quantity, amount and P&L of each symbol and session; only an account has them."""
        return self._rows("portfolio.holdings", "session_date, symbol")

    def drawdowns(self) -> DuckDBPyRelation:
        """Return each fall from a peak, deepest first; one that lasts has no `recovery_date`."""
        return self._rows("portfolio.drawdowns", "basis, depth_rank")

    def figures(
        self, since: date | str | None = None, until: date | str | None = None
    ) -> DuckDBPyRelation:
        """
        Return every figure of performance, before and after costs: a row each.

        `since` and `until` are trading dates, both included; without them, the whole life.

        >>> of_2009 = market.portfolio("equal_20").figures("2009-01-01", "2009-12-31")
        >>> of_2009.select("basis, round(cumulative_return, 4)").fetchall()
        [('gross', 0.4042), ('net', 0.404)]
        """
        return self._market._macro("portfolio_performance", self.name, *days(since, until))

    def _rows(self, table: str, order: str) -> DuckDBPyRelation:
        return self._market._rows(table, portfolio=self.name).order(order)


@dataclass(frozen=True)
class Backtest:
    """The runs of a scanner, by preset and setting. Returns are fractions, P&L is money."""

    _market: Market = field(repr=False)
    scanner: str
    preset: str | None
    setting: str | None

    @property
    def summary(self) -> DuckDBPyRelation:
        """Every figure of each run: one row a run."""
        return self._market._rows("backtests.summary", **self._chosen).order("preset, setting")

    @property
    def trades(self) -> DuckDBPyRelation:
        """Every trade of each run, oldest first."""
        return self._of_runs("backtests.trades", "session_date, signal_rank, signal_id")

    @property
    def equity(self) -> DuckDBPyRelation:
        """Equity, return and drawdown of each session of each run."""
        return self._of_runs("backtests.equity", "session_date")

    @property
    def _chosen(self) -> dict[str, str | None]:
        return {"scanner": self.scanner, "preset": self.preset, "setting": self.setting}

    def _of_runs(self, table: str, order: str) -> DuckDBPyRelation:
        found = self._market._connection.sql(OF_RUNS.format(table))
        return filtered(found, self._chosen).order(f"preset, setting, {order}")


@dataclass(frozen=True)
class _Publication:
    connection: duckdb.DuckDBPyConnection
    # of the file's version: another rename changes it
    stamp: tuple[int, int]
    # the row of serving.publication
    record: dict[str, Any]
    # what was found of names, by query and name, for all who share the connection
    names: dict[tuple[str, str | None], list[Any]] = field(default_factory=dict)


def _opened(path: Path, limits: Limits | None) -> _Publication:
    # before it is opened: a rename in between makes the next refresh look again
    stamp = stamp_of(path)
    try:
        connection = open_published(path)
    except BuildFailed as error:
        raise PublicationError(
            str(error), "open data/duckbourse.duckdb, which `./bourse build` publishes"
        ) from error
    try:
        confine(connection, limits)
        records = fetch_rows(connection, "from serving.publication")
        if len(records) != 1:
            count = counted(len(records), "row")
            raise PublicationError(
                f"{path} is not a publication: serving.publication has {count}",
                "run `./bourse build`, which publishes it again",
            )
        [record] = records
        version = record.get("contract_version", 1)
        if version > CONTRACT_VERSION:
            raise PublicationError(
                f"{path} has version {version} of the public tables, and this duckbourse reads "
                f"up to version {CONTRACT_VERSION}",
                "install the duckbourse of the project that published it",
            )
    except duckdb.CatalogException as error:
        connection.close()
        raise PublicationError(
            f"{path} is a DuckDB database, but not a publication",
            "open data/duckbourse.duckdb, which `./bourse build` publishes",
        ) from error
    except duckdb.Error as error:
        connection.close()
        raise PublicationError(
            f"{path} cannot be read: {one_line(error)}",
            "run `./bourse build`, which publishes it again",
        ) from error
    except PublicationError:
        connection.close()
        raise
    return _Publication(connection, stamp, record)


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what another rename of a file changes; raise PublicationError if it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise unpublished(path) from error
    except OSError as error:
        raise PublicationError(
            f"{path} cannot be read: {error.strerror}", "check who may read its folder"
        ) from error
    return found.st_ino, found.st_mtime_ns


def one_of(kind: str, wanted: Any, known: Sequence[Any], of: str = "", lister: str = "") -> Any:
    """Return a name that is known; raise NoSuchName for any other."""
    if wanted in known:
        return wanted
    near = nearest(wanted, known)
    meant = ". " if near is None else f": did you mean {near!r}? "
    names = f"{lister} lists all {len(known):,}" if lister else f"Published: {_listed(known)}"
    raise NoSuchName(
        f"there is no {kind} {wanted!r}{of}{meant}{names}", kind, f"{wanted!r}{of}", near, known
    )


def _listed(known: Iterable[object]) -> str:
    return ", ".join(map(str, known)) or "none"


def _narrowed(kind: str, rows: Iterable[Mapping[str, Any]], chosen: Mapping[str, object]) -> None:
    of: list[str] = []
    for column, wanted in chosen.items():
        if wanted is None:
            continue
        name = column.removesuffix("_sessions")
        known = sorted({row[column] for row in rows})
        one_of(f"{kind} {name}", wanted, known, f" for {', '.join(of)}" if of else "")
        rows = [row for row in rows if row[column] == wanted]
        of.append(f"{name} {wanted}")


def filtered(found: DuckDBPyRelation, wanted: Mapping[str, object]) -> DuckDBPyRelation:
    """Return the rows whose columns have these values; where it is None, any."""
    conditions = [
        ColumnExpression(column) == ConstantExpression(value)
        for column, value in wanted.items()
        if value is not None
    ]
    # at once: DuckDB binds the relation again for each filter
    return found.filter(reduce(and_, conditions)) if conditions else found


def _periods(value: int | Sequence[int] | None) -> list[int]:
    try:
        numbers = [value] if isinstance(value, SupportsIndex) else value or []
        found = [index(number) for number in numbers]
    except TypeError as error:
        raise BadArgument(
            f"{value!r} is not a number of bars or a list of them: write 21, or [12, 26, 9]"
        ) from error
    for number in found:
        if number not in BARS:
            raise BadArgument(
                f"{number} is not a number of bars", f"give {BARS[0]:,} to {BARS[-1]:,} bars"
            )
    return found


def days(since: date | str | None, until: date | str | None) -> tuple[date | None, date | None]:
    """Return the first and the last day of a range; where it is None, the range is open."""
    first, last = _day(since), _day(until)
    if first and last and last < first:
        raise BadArgument(f"{last} is before {first}: give the earlier date first")
    return first, last


def _day(value: date | str | None) -> date | None:
    match value:
        case datetime():
            if value.tzinfo:
                raise BadArgument(
                    f"{value} has a zone, and a session is a date of its exchange",
                    "give the date, as in '2010-05-28'",
                )
            return value.date()
        case None | date():
            return value
        case _:
            try:
                return date.fromisoformat(value)
            except (TypeError, ValueError) as error:
                raise BadArgument(
                    f"{value!r} is not a date: write it as in '2010-05-28'"
                ) from error


def _time_of_day(value: time | str) -> time:
    try:
        at = value if isinstance(value, time) else time.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"{value!r} is not a time of day: write it as in '09:50'") from error
    if at.tzinfo:
        raise BadArgument(f"{value!r} has a zone: a cutoff is exchange-local, as in '09:50'")
    return at
