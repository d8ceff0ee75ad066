"""A notebook's market on the shipped data: each method's rows are those of a macro or a table."""

from __future__ import annotations

import doctest
import inspect
import io
import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pytest

import duckbourse
from duckbourse import market as module
from duckbourse.cli.risk import risk
from duckbourse.errors import BadArgument, BadQuery
from duckbourse.market import Market
from duckbourse.settings import PROJECT, settings
from tests.support.warehouse import Warehouse

NOTEBOOKS = sorted((PROJECT / "analyses").glob("*.py"))
RUNS = "inner join backtests.runs using (run_id)"

Asked = Callable[[Market], duckdb.DuckDBPyRelation]
BY_SQL: dict[str, tuple[Asked, str]] = {
    "bars": (
        lambda market: market.bars("AAPL", "1d"),
        "from bars.ohlcv where symbol = 'AAPL' and timeframe = '1d' order by bar_ts",
    ),
    "indicators": (
        lambda market: market.indicators("AAPL", "5m"),
        "from indicator_history('AAPL', '5m')",
    ),
    "indicator": (
        lambda market: market.indicator("rsi", "AAPL", "1d", 21),
        "from indicators.rsi('AAPL', '1d', 21)",
    ),
    "indicator with several periods": (
        lambda market: market.indicator("macd", "AAPL", "1w", (5, 35, 5)),
        "from indicators.macd('AAPL', '1w', 5, 35, 5)",
    ),
    "indicator with its usual periods": (
        lambda market: market.indicator("macd", "AAPL", "1d"),
        "from indicators.macd('AAPL', '1d', 12, 26, 9)",
    ),
    "indicator without periods": (
        lambda market: market.indicator("obv", "AAPL", "1d"),
        "from indicators.obv('AAPL', '1d')",
    ),
    "scan": (
        lambda market: market.scan("crp", "2010-05-28", "09:50", "standard"),
        "from crp_scan('2010-05-28', '09:50', 'standard')",
    ),
    "scan of several sessions": (
        lambda market: market.scan(
            "breakout", date(2010, 5, 3), time(11, 5), "month", datetime(2010, 5, 28, 16)
        ),
        "from breakout_scan('2010-05-03', '11:05', 'month', '2010-05-28')",
    ),
    "signals": (
        lambda market: market.signals(),
        "from scanners.signals order by session_date, known_ts, scanner, preset, signal_rank",
    ),
    "chosen signals": (
        lambda market: market.signals(
            scanner="crp", preset="standard", since="2010-05-03", until=date(2010, 5, 7)
        ),
        "from scanners.signals where scanner = 'crp' and preset = 'standard'"
        " and session_date between '2010-05-03' and '2010-05-07'"
        " order by session_date, signal_rank",
    ),
    "signals of a preset": (
        lambda market: market.signals(preset="month"),
        "from scanners.signals where preset = 'month'"
        " order by session_date, known_ts, scanner, signal_rank",
    ),
    "summary": (
        lambda market: market.backtest("crp").summary,
        "from backtests.summary where scanner = 'crp' order by preset, setting",
    ),
    "trades": (
        lambda market: market.backtest("crp", "standard", "us_fixed").trades,
        f"select scanner, preset, setting, trades.* from backtests.trades {RUNS} where scanner ="
        " 'crp' and preset = 'standard' and setting = 'us_fixed'"
        " order by session_date, signal_rank, signal_id",
    ),
    "equity": (
        lambda market: market.backtest("crp", "standard").equity,
        f"select scanner, preset, setting, equity.* from backtests.equity {RUNS}"
        " where scanner = 'crp' and preset = 'standard' order by setting, session_date",
    ),
    "returns": (
        lambda market: market.portfolio("equal_20").returns(),
        "from portfolio.returns where portfolio = 'equal_20' order by session_date",
    ),
    "equity of a portfolio": (
        lambda market: market.portfolio("equal_20").equity(),
        "from portfolio.equity where portfolio = 'equal_20' order by basis, session_date",
    ),
    "weights": (
        lambda market: market.portfolio("sixty_forty_tech").weights(),
        "from portfolio.weights where portfolio = 'sixty_forty_tech' order by session_date, symbol",
    ),
    "holdings": (
        lambda market: market.portfolio("equal_20").holdings(),
        "from portfolio.holdings where portfolio = 'equal_20' order by session_date, symbol",
    ),
    "drawdowns": (
        lambda market: market.portfolio("equal_20").drawdowns(),
        "from portfolio.drawdowns where portfolio = 'equal_20' order by basis, depth_rank",
    ),
    "figures": (
        lambda market: market.portfolio("equal_20").figures(),
        "from portfolio_performance('equal_20', null, null)",
    ),
    "figures of a year": (
        lambda market: market.portfolio("equal_20").figures("2009-01-01", date(2009, 12, 31)),
        "from portfolio_performance('equal_20', '2009-01-01', '2009-12-31')",
    ),
    "var": (
        lambda market: market.var("equal_20"),
        "from portfolio_var('equal_20')",
    ),
    "var of a method": (
        lambda market: market.var(
            "equal_20", confidence=0.99, horizon=10, method="historical", lookback=500
        ),
        "from portfolio_var("
        "'equal_20', 0.99, 10, p_method := 'historical', p_lookback_sessions := 500)",
    ),
    "var of a lookback": (
        lambda market: market.var("equal_20", method="historical", lookback=500),
        "from portfolio_var('equal_20', p_method := 'historical', p_lookback_sessions := 500)",
    ),
    "symbols": (
        lambda market: market.symbols(),
        "from serving.latest_bars order by symbol,"
        " list_position(['1m', '5m', '15m', '30m', '1h', '1d', '1w'], timeframe)",
    ),
    "sql": (
        lambda market: market.sql("from signals_on('2010-05-28')"),
        "from signals_on('2010-05-28')",
    ),
    "sql with values": (
        lambda market: market.sql("from signals_on($day)", {"day": "2010-05-28"}),
        "from signals_on('2010-05-28')",
    ),
}
CRP = "breakout, crp, gap, momentum, new_high, opening_range, pattern, relative_volume, sideways"
RAN = "breakout, crp, gap, momentum, new_high, opening_range, pattern, relative_volume, technical"
REFUSED: dict[str, Callable[[Market], object]] = {
    "there is no symbol 'AAPLE': did you mean 'AAPL'? market.symbols() lists all 528": (
        lambda market: market.bars("AAPLE", "1d")
    ),
    "there is no symbol 'APPL': did you mean 'AAPL'? market.symbols() lists all 528": (
        lambda market: market.bars("APPL", "1d")
    ),
    "there is no symbol 'aapl': did you mean 'AAPL'? market.symbols() lists all 528": (
        lambda market: market.indicators("aapl", "1d")
    ),
    "there is no timeframe '2d' of AAPL. Published: 1m, 5m, 15m, 30m, 1h, 1d, 1w": (
        lambda market: market.bars("AAPL", "2d")
    ),
    "there is no timeframe '1min' of ABC. Published: 1d, 1w": (
        lambda market: market.indicator("rsi", "ABC", "1min")
    ),
    "there is no indicator 'rsii': did you mean 'rsi'? "
    "market.sql('from serving.indicator_catalog') lists all 62": (
        lambda market: market.indicator("rsii", "AAPL", "1d")
    ),
    "the periods of macd are 3 as in [12, 26, 9], not 1: [5]": (
        lambda market: market.indicator("macd", "AAPL", "1d", 5)
    ),
    "the periods of obv are none, not 1: [5]": (
        lambda market: market.indicator("obv", "AAPL", "1d", 5)
    ),
    "'21' is not a number of bars or a list of them: write 21, or [12, 26, 9]": (
        lambda market: market.indicator("rsi", "AAPL", "1d", "21")  # type: ignore[arg-type]
    ),
    "2.5 is not a number of bars or a list of them: write 21, or [12, 26, 9]": (
        lambda market: market.indicator("rsi", "AAPL", "1d", 2.5)  # type: ignore[arg-type]
    ),
    f"there is no scanner 'crpp': did you mean 'crp'? Published: {CRP}, technical": (
        lambda market: market.scan("crpp", "2010-05-28", "09:50", "standard")
    ),
    "there is no preset 'standrad' of crp: did you mean 'standard'? "
    "Published: standard, aggressive, conservative, high_probability": (
        lambda market: market.scan("crp", "2010-05-28", "09:50", "standrad")
    ),
    "'28 May' is not a date: write it as in '2010-05-28'": (
        lambda market: market.scan("crp", "28 May", "09:50", "standard")
    ),
    "'9h50' is not a time of day: write it as in '09:50'": (
        lambda market: market.scan("crp", "2010-05-28", "9h50", "standard")
    ),
    "'09:50+05:30' has a zone: a cutoff is exchange-local, as in '09:50'": (
        lambda market: market.scan("crp", "2010-05-28", "09:50+05:30", "standard")
    ),
    "there are no one-minute bars of 2010-05-08; nearest: 2010-05-07, 2010-05-10": (
        lambda market: market.scan("crp", "2010-05-08", "09:50", "standard")
    ),
    "there are no one-minute bars of 2012-05-08; nearest: 2010-05-28": (
        lambda market: market.scan("crp", "2012-05-08", "09:50", "standard")
    ),
    "2010-05-03 is before 2010-05-28: give the earlier date first": (
        lambda market: market.scan("crp", "2010-05-28", "09:50", "standard", "2010-05-03")
    ),
    f"there is no scanner 'gaps': did you mean 'gap'? Published: {CRP}, technical ": (
        lambda market: market.signals(scanner="gaps")
    ),
    "there is no preset 'months' of breakout: did you mean 'month'? "
    "Published: half_year, month, standard": (
        lambda market: market.signals(scanner="breakout", preset="months")
    ),
    "there is no preset 'wider': did you mean 'wide'? Published: aggressive, conservative, daily, "
    "half_year, high_probability, intraday, month, quarter_hour, standard, strict, wide": (
        lambda market: market.signals(preset="wider")
    ),
    "20100532 is not a date: write it as in '2010-05-28'": (
        lambda market: market.signals(since=20100532)  # type: ignore[arg-type]
    ),
    "2010-05-03 is before 2010-05-28: give the earlier date first ": (
        lambda market: market.signals(since="2010-05-28", until="2010-05-03")
    ),
    f"there is no backtest of scanner 'crpp': did you mean 'crp'? Published: {RAN}": (
        lambda market: market.backtest("crpp")
    ),
    "there is no backtest of preset 'agresive' for scanner crp: did you mean 'aggressive'? "
    "Published: aggressive, conservative, high_probability, standard": (
        lambda market: market.backtest("crp", "agresive")
    ),
    "there is no backtest of setting 'fixed' for scanner crp, preset standard: "
    "did you mean 'us_fixed'? "
    "Published: us_fixed, us_kelly, us_risk_trailing, us_volatility_trailing": (
        lambda market: market.backtest("crp", "standard", "fixed")
    ),
    "there is no portfolio 'equal20': did you mean 'equal_20'? "
    "Published: equal_20, sixty_forty_tech": (lambda market: market.portfolio("equal20")),
    "there is no portfolio 'equal-20': did you mean 'equal_20'? "
    "Published: equal_20, sixty_forty_tech": (lambda market: market.var("equal-20")),
    "there is no VaR with confidence 95: did you mean 0.95? Published: 0.9, 0.95, 0.975, 0.99": (
        lambda market: market.var("equal_20", confidence=95)
    ),
    "there is no VaR with horizon 5 for confidence 0.99. Published: 1, 10": (
        lambda market: market.var("equal_20", horizon=5)
    ),
    "there is no VaR with method 'historic' for confidence 0.99, horizon 1: "
    "did you mean 'historical'? "
    "Published: age_weighted, cornish_fisher, ewma, filtered_historical, historical, monte_carlo, "
    "normal, student_t": lambda market: market.var("equal_20", method="historic"),
    "there is no VaR with lookback 500 for confidence 0.99, horizon 1, method ewma. "
    "Published: 250": lambda market: market.var("equal_20", method="ewma", lookback=500),
}
NO_QUERY = {
    "": "nothing",
    "from bars.sessions; from bars.sessions": "SELECT and SELECT",
    "drop table bars.ohlcv": "DROP",
    "insert into bars.sessions from bars.sessions": "INSERT",
    "update bars.ohlcv set close = 0": "UPDATE",
    "create table memory.mine as select 1": "CREATE",
    "copy bars.sessions to 'sessions.csv'": "COPY",
    "attach ':memory:' as mine": "ATTACH",
    "detach duckbourse": "DETACH",
    "set enable_external_access = true": "SET",
    "from bars.sessions; drop table bars.ohlcv": "SELECT and DROP",
}
HOSTILE = (
    "AAPL' or true --",
    "AAPL'; drop table bars.ohlcv; --",
    'AAPL"',
    "$symbol",
    "AAPL\\",
    "%",
    "",
    "AAPL', '1d') union all from bars_of('MSFT",
)


@pytest.fixture(scope="module")
def market(sample: Warehouse) -> Iterator[Market]:
    with duckbourse.open(sample.file) as market:
        yield market


@pytest.mark.parametrize(("asked", "query"), BY_SQL.values(), ids=BY_SQL.keys())
def test_a_method_returns_the_rows_of_the_file(
    sample: Warehouse, market: Market, asked: Asked, query: str
) -> None:
    found = asked(market)
    assert isinstance(found, duckdb.DuckDBPyRelation)
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        expected = connection.execute(query)
        assert found.columns == [column[0] for column in expected.description or []]
        rows = expected.fetchall()
    assert found.fetchall() == rows
    assert rows or "holdings" in query


def test_figures_of_the_whole_life_are_those_stored(market: Market) -> None:
    macro = market.portfolio("equal_20").figures()
    stored = market.sql("from portfolio.performance where portfolio = 'equal_20' order by basis")
    columns = [name for name in macro.columns if name in stored.columns]
    assert len(columns) > 20
    chosen = ", ".join(columns)
    assert macro.select(chosen).fetchall() == stored.select(chosen).fetchall()


def test_tables_lists_what_is_there_with_its_rows(sample: Warehouse, market: Market) -> None:
    stored = sample.query(
        "select schema_name || '.' || table_name from duckdb_tables() union all "
        "select schema_name || '.' || view_name from duckdb_views() where not internal"
    )
    listed = market.tables()
    assert listed.columns == ["relation", "row_count", "comment"]
    assert sorted(row[:1] for row in listed.fetchall()) == sorted(stored)


@pytest.mark.parametrize("message", REFUSED)
def test_a_mistake_is_refused_in_one_line(market: Market, message: str) -> None:
    with pytest.raises(BadArgument) as caught:
        REFUSED[message](market)
    assert str(caught.value) == message.rstrip()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("scanner", [*CRP.split(", "), "technical"])
@pytest.mark.parametrize("until", [None, "2010-05-28"])
def test_a_cutoff_outside_the_session_is_refused_before_rows_are_asked_for(
    market: Market, scanner: str, until: str | None
) -> None:
    with pytest.raises(BadArgument) as caught:
        market.scan(scanner, "2010-05-28", "08:00", market._presets(scanner)[0], until)
    assert str(caught.value) == (
        "a cutoff of 08:00 is outside the session of 2010-05-28; "
        "try a time after 09:30, up to 16:00"
    )


def test_a_var_has_one_default_everywhere(market: Market) -> None:
    latest = "order by session_date desc limit 1"
    chosen = "p_method := 'historical', p_lookback_sessions := 250"
    [macro] = market.sql(
        f"select var_return from portfolio_var('equal_20', {chosen}) {latest}"
    ).fetchall()
    [overview] = market.sql(
        "select var_return from serving.portfolio_overview where portfolio = 'equal_20'"
    ).fetchall()
    method = market.var("equal_20", method="historical", lookback=250)
    [python] = method.order("session_date desc").select("var_return").limit(1).fetchall()
    assert macro == overview == python
    assert inspect.signature(risk).parameters["confidence"].default == 0.99
    assert inspect.signature(market.var).parameters["confidence"].default == 0.99


def test_a_period_out_of_range_is_refused(market: Market) -> None:
    with pytest.raises(BadArgument) as caught:
        market.indicator("rsi", "AAPL", "1d", 0)
    assert str(caught.value) == "0 is not a number of bars"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_is_never_part_of_the_sql(market: Market, text: str) -> None:
    asked: list[Callable[[], object]] = [
        lambda: market.bars(text, "1d"),
        lambda: market.bars("AAPL", text),
        lambda: market.indicator(text, "AAPL", "1d"),
        lambda: market.scan(text, "2010-05-28", "09:50", "standard"),
        lambda: market.scan("crp", text, "09:50", "standard"),
        lambda: market.scan("crp", "2010-05-28", text, "standard"),
        lambda: market.scan("crp", "2010-05-28", "09:50", text),
        lambda: market.signals(scanner=text),
        lambda: market.backtest("crp", "standard", text),
        lambda: market.portfolio(text),
        lambda: market.var("equal_20", method=text),
    ]
    for ask in asked:
        with pytest.raises(BadArgument):
            ask()
    assert market.sql("select $text", {"text": text}).fetchall() == [(text,)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_published_name_may_hold_anything(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema serving; create schema bars; create schema portfolio")
        connection.execute("create schema seeds; create table serving.publication as select 1 as a")
        values = {"text": text}
        connection.execute(
            "create table serving.latest_bars as select $text as symbol, '1d' as timeframe", values
        )
        connection.execute(
            "create table bars.ohlcv as select *, now() as bar_ts from serving.latest_bars"
        )
        connection.execute("create table seeds.portfolios as select $text as portfolio", values)
        connection.execute(
            "create table portfolio.returns as select $text as portfolio, date '2024-01-01'"
            " as session_date union all select 'other', date '2024-01-01'",
            values,
        )
    with duckbourse.open(path) as odd:
        found = odd.bars(text, "1d").select("symbol, timeframe")
        assert found.fetchall() == [(text, "1d")]
        assert odd.portfolio(text).returns().fetchall() == [(text, date(2024, 1, 1))]


@pytest.mark.parametrize("periods", [0, -1, 2048, 10**30])
def test_periods_are_checked_before_rows_are_asked_for(market: Market, periods: int) -> None:
    with pytest.raises(BadArgument) as caught:
        market.indicator("rsi", "AAPL", "1d", periods)
    assert caught.value.remedy == "give 1 to 2,047 bars"


def test_a_session_has_no_zone(market: Market) -> None:
    with pytest.raises(BadArgument, match="has a zone"):
        market.signals(since=datetime(2010, 5, 28, tzinfo=UTC))


def test_what_is_no_query_or_no_values_has_a_remedy(market: Market) -> None:
    wrong: list[tuple[Any, Any]] = [("select '\udcff'", None), (7, None), ("select $a", [1])]
    for text, values in wrong:
        with pytest.raises((BadArgument, BadQuery)) as caught:
            market.sql(text, values)
        assert caught.value.remedy


@pytest.mark.parametrize("query", NO_QUERY)
def test_sql_takes_one_query(market: Market, query: str) -> None:
    with pytest.raises(BadQuery) as caught:
        market.sql(query)
    assert str(caught.value) == (
        f"market.sql takes one query that returns rows, not {NO_QUERY[query]}"
    )


def test_sql_reads_nothing_else(market: Market, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    mine = [1]
    for query in (f"from '{tmp_path}/mine.csv'", f"from read_text('{tmp_path}/mine.csv')"):
        with pytest.raises(BadQuery, match=r"file system operations are disabled|does not exist"):
            market.sql(query)
    with pytest.raises(BadQuery, match="Table with name mine does not exist"):
        market.sql("from mine")
    assert mine
    with pytest.raises(BadQuery) as caught:
        market.sql("from bars.ohlc\nwhere true")
    assert str(caught.value).startswith("Catalog Error: Table with name ohlc does not exist!")
    assert "ohlcv" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.remedy == "market.tables() lists all tables"
    assert "\n" not in str(caught.value)


def test_nothing_can_be_written(sample: Warehouse, market: Market, tmp_path: Path) -> None:
    before = sample.file.stat()
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        market._connection.execute("drop table bars.ohlcv")
    with pytest.raises(duckdb.Error, match="disabled by configuration"):
        market.bars("AAPL", "1d").write_csv(str(tmp_path / "bars.csv"))
    with pytest.raises(duckdb.Error, match="the configuration has been locked"):
        market._connection.execute("set enable_external_access = true")
    assert list(tmp_path.iterdir()) == []
    assert sample.file.stat() == before


def test_relations_do_not_disturb_each_other(market: Market) -> None:
    bars = market.bars("AAPL", "1d")
    first = bars.fetchall()
    rsi = market.indicator("rsi", "AAPL", "1d", 21)
    joined = (
        bars.join(rsi, "symbol, timeframe, bar_ts").order("bar_ts").select("bar_ts, close, rsi")
    )
    assert market.signals().limit(3).fetchall()
    assert len(joined.fetchall()) == len(first)
    assert bars.fetchall() == first
    assert rsi.filter("rsi is not null").order("bar_ts").limit(1).fetchall()


def test_it_says_what_is_published(sample: Warehouse, market: Market) -> None:
    [(revision, version)] = sample.query(
        "select git_revision, data_version[:12] from serving.publication"
    )
    assert repr(market).splitlines() == [
        f"duckbourse: {sample.file}",
        "  not published",
        f"  from revision {revision} and data {version}",
        "  528 symbols in 1m 5m 15m 30m 1h 1d 1w, newest bar 2018-12-31",
    ]


def test_a_portfolio_and_a_backtest_are_short_to_read(market: Market) -> None:
    assert repr(market.portfolio("equal_20")) == "Portfolio(name='equal_20')"
    assert repr(market.backtest("crp", "standard")) == (
        "Backtest(scanner='crp', preset='standard', setting=None)"
    )


def test_examples_of_the_docstrings(market: Market) -> None:
    found = [
        example
        for example in doctest.DocTestFinder().find(module, globs={"market": market})
        if example.examples
    ]
    assert len(found) > 8
    runner = doctest.DocTestRunner()
    printed = io.StringIO()
    for example in found:
        runner.run(example, out=printed.write)
    assert not runner.failures, printed.getvalue()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(
    sample: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notebook: Path
) -> None:
    (tmp_path / "duckbourse.duckdb").symlink_to(sample.file)
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    try:
        with redirect_stdout(io.StringIO()) as printed:
            names = runpy.run_path(str(notebook))
    finally:
        settings.cache_clear()
        monkeypatch.undo()
    names["market"].close()
    shown = printed.getvalue()
    # all but the indented one, which follows a refresh
    tables = re.findall(r"^\S.*\.show\(", notebook.read_text(), re.MULTILINE)
    assert shown.count("┌") == len(tables)
    # no table is empty, and each fits its columns into the page
    assert not re.search(r"^ +0 rows", shown, re.MULTILINE)
    assert "│ … │" not in shown
