"""A table macro that is asked for what the file does not have says so, in any client."""

from __future__ import annotations

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse

REFUSED = {
    "bars_of('aapl', '1d')": "there is no symbol 'aapl'; did you mean 'AAPL'?",
    "bars_of('APPL', '1d')": "there is no symbol 'APPL'; did you mean 'AAPL'?",
    "bars_of('0', '1d')": "there is no symbol '0'",
    "bars_of('AAPL', '2d')": (
        "there is no timeframe '2d' of AAPL; it has 15m, 1d, 1h, 1m, 1w, 30m, 5m"
    ),
    "indicator_history('aapl', '1d')": "there is no symbol 'aapl'; did you mean 'AAPL'?",
    "indicator_history('AAPL', '1D')": (
        "there is no timeframe '1D' of AAPL; it has 15m, 1d, 1h, 1m, 1w, 30m, 5m"
    ),
    "indicators.rsi('MSTF', '1d')": "there is no symbol 'MSTF'; did you mean 'MSFT'?",
    "indicator('rsi', 'MSTF', '1d')": "there is no symbol 'MSTF'; did you mean 'MSFT'?",
    "portfolio_performance('equal20')": (
        "there is no portfolio 'equal20'; did you mean 'equal_20'?"
    ),
    "portfolio_var('gold', 0.95, 1)": (
        "there is no portfolio 'gold'; the portfolios are equal_20, sixty_forty_tech"
    ),
    "portfolio_var('equal_20', 0.95, 1, p_method := 'emwa')": (
        "there is no VaR method 'emwa'; did you mean 'ewma'?"
    ),
    "portfolio_var('equal_20', 95, 1)": ("there is no confidence 95; did you mean 0.95?"),
    "portfolio_var('equal_20', 97, 1)": (
        "there is no confidence 97; the confidences are 0.9, 0.95, 0.975, 0.99"
    ),
    "portfolio_performance('equal_20', '2009-12-31', '2008-01-01')": (
        "the last day, 2008-01-01, is before the first, 2009-12-31"
    ),
    "crp_scan('2010-05-28', '09:50', 'standard', '2010-05-06')": (
        "the last day, 2010-05-06, is before the first, 2010-05-28"
    ),
    "crp_scan('2010-05-06', '9h50', 'standard')": (
        "a cutoff of 9h50 is no time of day; write it as 09:50"
    ),
    "crp_scan('2010-05-06', 'noon', 'standard')": (
        "a cutoff of noon is no time of day; write it as 09:50"
    ),
    "indicators.macd('AAPL', '1d', 26, 12, 9)": "fast is less than slow, not 26 and 12",
    "indicators.ultimate('AAPL', '1d', 7, 28, 14)": "medium is less than slow, not 28 and 14",
    "indicators.ichimoku('AAPL', '1d', 26, 9)": "tenkan is less than kijun, not 26 and 9",
    "indicators.kama('AAPL', '1d', p_fastest := 30, p_slowest := 2)": (
        "fastest is less than slowest, not 30 and 2"
    ),
    "indicator('ppo', 'AAPL', '1d', [26, 12])": "fast is less than slow, not 26 and 12",
    "indicator('macd', 'AAPL', '1d', [12, 26])": (
        "macd has 3 periods, fast, slow, signal, not [12, 26]"
    ),
    "indicator('macd', 'AAPL', '1d', 12)": "macd has 3 periods, fast, slow, signal, not 12",
    "portfolio_var('equal_20', '0.9', '10')": (
        "there is no horizon of 10 sessions at confidence 0.9; the horizons are 1"
    ),
    "portfolio_var('equal_20', 0.95, 1, p_lookback_sessions := 100)": (
        "there is no lookback of 100 sessions for a horizon of 1 at confidence 0.95;"
        " the lookbacks are 250, 500, 1000"
    ),
    "portfolio_var('equal_20', 0.95, 1, 'ewma', 500)": (
        "there is no lookback of 500 sessions for a horizon of 1 at confidence 0.95;"
        " the lookbacks are 250"
    ),
    "rolling_covariances(['AAPL', 'MSTF'], 250)": (
        "there is no symbol 'MSTF'; did you mean 'MSFT'?"
    ),
    "rolling_covariances(['0'], 250)": "there is no symbol '0'",
    "rolling_covariances(['AAPL', 'MSFT'], 250.5)": (
        "a window is a whole number of sessions from 2 on, not 250.5"
    ),
    "rolling_covariances(['AAPL', 'MSFT'], 1)": (
        "a window is a whole number of sessions from 2 on, not 1"
    ),
    "portfolio_var('equal_20', 0.95, 1.4)": (
        "there is no horizon of 1.4 sessions at confidence 0.95; the horizons are 1, 10"
    ),
    "portfolio_var('equal_20', 0.95, 1, p_lookback_sessions := 250.4)": (
        "there is no lookback of 250.4 sessions for a horizon of 1 at confidence 0.95;"
        " the lookbacks are 250, 500, 1000"
    ),
    "signals_on('2010-05-08')": (
        "there are no one-minute bars of 2010-05-08; try 2010-05-07 or 2010-05-10"
    ),
    "signals_on(date '1900-01-01')": ("there are no one-minute bars of 1900-01-01; try 2010-04-01"),
    "gap_scan('2010-05-06', '09:50', 'wide')": (
        "there is no gap preset 'wide'; the gap presets are standard"
    ),
}
HOURS = "; try a time after 09:30, up to 16:00"
REFUSED |= {
    "crp_scan('2010-05-06', '23:30', 'standard')": (
        f"a cutoff of 23:30 is outside the session of 2010-05-06{HOURS}"
    ),
    # at the open, nothing has traded
    "gap_scan(date '2010-05-06', time '09:30', 'standard')": (
        f"a cutoff of 09:30 is outside the session of 2010-05-06{HOURS}"
    ),
    "crp_scan('2010-05-06', '16:01', 'standard', '2010-05-07')": (
        f"a cutoff of 16:01 is outside the session of 2010-05-06{HOURS}"
    ),
    "crp_scan('2010-05-08', '11:30', 'standard', '2010-05-09')": (
        "there are no one-minute bars of 2010-05-08 to 2010-05-09; try 2010-05-07 or 2010-05-10"
    ),
}
SCANNERS = [file.stem for file in (PROJECT / "functions").glob("*_scan.sql")]
REFUSED |= (
    {
        f"{scan}('2010-05-06', '11:30', 'standrd')": (
            f"there is no {scan.removesuffix('_scan')} preset 'standrd'; did you mean 'standard'?"
        )
        for scan in SCANNERS
        if scan != "pattern_scan"
    }
    | {
        f"{scan}('2010-05-08', '11:30', '{'daily' if scan == 'pattern_scan' else 'standard'}')": (
            "there are no one-minute bars of 2010-05-08; try 2010-05-07 or 2010-05-10"
        )
        for scan in SCANNERS
    }
    | {
        "pattern_scan('2010-05-06', '11:30', 'dayly')": (
            "there is no pattern preset 'dayly'; did you mean 'daily'?"
        )
    }
)


@pytest.mark.parametrize(("call", "message"), REFUSED.items(), ids=REFUSED.keys())
@pytest.mark.parametrize("query", ["from {}", "select count(*) from {}", "from {} limit 1"])
def test_what_does_not_exist_is_an_error(
    sample: Warehouse, query: str, call: str, message: str
) -> None:
    with pytest.raises(duckdb.InvalidInputException) as refused:
        sample.query(query.format(call))
    # a refusal while the query is planned also shows the line of the query
    assert str(refused.value).partition("\n\nLINE ")[0] == f"Invalid Input Error: {message}"


@pytest.mark.parametrize(
    "call",
    [
        "bars_of(null, '1d')",
        "indicators.sma('AAPL', '1d') where bar_ts < '1900-01-01'",
        "portfolio_var('equal_20', 0.95, 1, p_method := null) where method is null",
        "portfolio_var('equal_20', null, 1)",
        "signals_on(null)",
        "crp_scan('2010-05-06', '11:30', null)",
        "crp_scan(null, '11:30', 'standard')",
        "crp_scan('2010-05-06', null, 'standard')",
    ],
)
def test_null_and_a_condition_are_no_error(sample: Warehouse, call: str) -> None:
    assert sample.query(f"from {call}") == []


@pytest.mark.parametrize(
    "call",
    [
        # a preset's own cutoff is no mistake on a day of other hours
        "crp_scan('2010-05-06', '09:30', 'early')",
        # another session closes later
        "crp_scan('2010-05-07', '14:00', 'early')",
        # the range has a session with minutes
        "crp_scan('2010-05-07', '10:00', 'early', '2010-05-09')",
    ],
)
def test_a_scan_of_other_hours_is_no_error(sample: Warehouse, call: str) -> None:
    """The sample has neither short sessions nor such a preset, so the macro reads others."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{sample.file}' as duckbourse (read_only)")
        connection.execute("use memory; create schema scanners; create schema seeds")
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'duckbourse'"
            " and schema_name in ('bars', 'scanners', 'seeds')"
        ).fetchall():
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create view {schema}.{table} as from duckbourse.{schema}.{table}")
        connection.execute(
            "create or replace view seeds.crp_presets as select * replace ('early' as preset,"
            " time '09:30' as cutoff_time) from duckbourse.seeds.crp_presets limit 1"
        )
        connection.execute(
            "create or replace view scanners.sessions as select * replace ("
            "if(session_date = '2010-05-07', 13 * 60, close_minute) as close_minute)"
            " from duckbourse.scanners.sessions"
        )
        connection.execute(f"from duckbourse.{call}")


def test_a_number_of_bars_or_sessions_is_whole(sample: Warehouse) -> None:
    """Every period of every indicator; a fraction would silently be another period."""
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        macros = connection.execute(
            """
            select function_name, max(parameters) from duckdb_functions()
            where schema_name = 'indicators' and function_type = 'table_macro' group by all
            """
        ).fetchall()
        periods = connection.execute(
            "select distinct indicator, coalesce(periods, '') from serving.indicator_catalog"
        ).fetchall()
        counts = {name: len(str(numbers).split(",")) for name, numbers in periods if numbers}
        assert len(counts) > 40
        calls = {
            f"indicators.{name}('AAPL', '1d', {parameter} := {wrong})": (
                f"{name}: {parameter.removeprefix('p_')}",
                wrong,
            )
            for name, parameters in macros
            for parameter in parameters[2 : 2 + counts.get(name, 0)]
            for wrong in ("21.5", "0", "2048", "null")
        } | {"indicator('macd', 'AAPL', '1d', [12, 26.5, 9])": ("macd: slow", "26.5")}
        for call, (period, wrong) in calls.items():
            with pytest.raises(duckdb.InvalidInputException) as refused:
                connection.execute(f"from {call}")
            assert str(refused.value).splitlines()[0] == (
                f"Invalid Input Error: {period} is a whole number of bars from 1 to 2047,"
                f" not {wrong.replace('null', 'NULL')}"
            )
        # a whole number in another type is one
        assert (
            connection.execute("from indicators.midprice('AAPL', '1d', 20.0)").fetchall()
            == connection.execute("from indicators.midprice('AAPL', '1d', 20)").fetchall()
        )
