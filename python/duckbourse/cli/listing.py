"""`./bourse list`: the names that other commands take, as they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated

import duckdb
import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.options import Csv, Json, To, one_format
from duckbourse.cli.output import print_json
from duckbourse.cli.tables import print_rows
from duckbourse.errors import BourseError, PublicationError
from duckbourse.market import IN_ORDER
from duckbourse.warehouse import SCANNERS, fetch_rows, open_published, quoted


class Kind(StrEnum):
    symbols = "symbols"
    presets = "presets"
    portfolios = "portfolios"
    indicators = "indicators"
    accounts = "accounts"
    scanners = "scanners"


QUERIES = {
    Kind.symbols: f"""
        select
            symbol,
            any_value(instruments.name) as name,
            any_value(instruments.sector) as sector,
            any_value(staleness.calendar) as calendar,
            array_to_string(list(timeframe order by {IN_ORDER}), ' ') as timeframes,
            max(session_date) as last_session_date,
            arg_max(close, bar_end) as last_close,
        from serving.latest_bars
        left join seeds.instruments using (symbol)
        left join bars.staleness using (symbol, timeframe)
        group by symbol
        order by symbol
    """,
    Kind.portfolios: """
        select
            portfolio,
            source,
            calendar,
            currency,
            benchmark,
            capital_amount,
            first_session_date,
            last_session_date,
            description,
        from seeds.portfolios
        left join (
            select portfolio, first_session_date, last_session_date,
            from portfolio.performance where basis = 'net'
        ) using (portfolio)
        order by portfolio
    """,
    Kind.indicators: """
        select
            indicator,
            any_value(title) as title,
            any_value(periods) as periods,
            any_value(origin) as origin,
            string_agg(output, ' ' order by output) as outputs,
        from serving.indicator_catalog
        group by indicator
        order by indicator
    """,
    Kind.accounts: """
        select
            account,
            broker,
            calendar,
            capital_amount,
            max_positions,
            max_symbol_pct,
            max_daily_loss_pct,
            max_drawdown_pct,
            square_off_time,
        from seeds.trading_accounts
        order by account
    """,
}
# {} is a scanner; a filter has neither signals nor orders, and so not all of these columns
PRESETS = """
    select
        {} as scanner,
        columns(lambda name: name in (
            'preset',
            'cutoff_time',
            'max_signals',
            'stop_loss_pct',
            'take_profit_pct',
            'position_pct',
            'exit_time'
        )),
    from seeds.{}_presets
"""


def list(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    List what is published: symbols, presets, portfolios, indicators, accounts or scanners.

    These are the names that the other commands and the table macros take.

    Examples:

    - `./bourse list symbols`
    - `./bourse list presets`
    - `./bourse list indicators --csv`
    - `./bourse list portfolios --json`
    """
    one_format(json=json, csv=csv)
    if to:
        check_export(to)
    connection = open_published()
    try:
        sql = query_of(connection, kind)
        if to:
            export(connection, sql, to)
        if csv:
            print_csv_of(connection, sql)
            return
        rows = fetch_rows(connection, sql)
    except duckdb.CatalogException as error:
        raise PublicationError(
            f"the published file has no {kind}", "run `./bourse build` to publish them"
        ) from error
    finally:
        connection.close()
    if json:
        print_json(rows)
    else:
        print_rows(rows)


def query_of(connection: duckdb.DuckDBPyConnection, kind: Kind) -> str:
    """Return the query that lists everything of a kind."""
    if kind not in (Kind.presets, Kind.scanners):
        return QUERIES[kind]
    scanners = [name for (name,) in connection.execute(SCANNERS).fetchall()]
    if not scanners:
        raise PublicationError(
            "the published file has no scanners", "run `./bourse build` to publish them"
        )
    presets = " union all by name ".join(PRESETS.format(quoted(name), name) for name in scanners)
    if kind is Kind.presets:
        return f"from ({presets}) order by scanner, preset"
    return f"""
        select
            scanner,
            array_to_string(list(preset order by preset), ' ') as presets,
            signals.signal_count,
            signals.last_signal_date,
        from ({presets})
        left join (
            select scanner, count(*) as signal_count, max(session_date) as last_signal_date,
            from scanners.signals group by scanner
        ) as signals using (scanner)
        group by all
        order by scanner
    """


def completed(kind: str) -> Callable[[str], Iterator[str]]:
    """Return what completes a name in the shell; without a publication, nothing does."""

    def names(incomplete: str) -> Iterator[str]:
        try:
            connection = open_published()
        except BourseError:
            return
        try:
            sql = query_of(connection, Kind(kind))
            rows = fetch_rows(connection, sql)
            # a kind is the plural of the column of its names
            found = {str(row[kind[:-1]]) for row in rows}
            yield from sorted(name for name in found if name.startswith(incomplete))
        except (duckdb.Error, BourseError):
            return
        finally:
            connection.close()

    return names


Account = Annotated[
    str | None,
    typer.Option(
        "--account",
        help="Account.",
        show_default="the last one traded",
        autocompletion=completed("accounts"),
    ),
]
TradingAccount = Annotated[
    str | None,
    typer.Option(
        "--account",
        help="Account.",
        show_default="the one that is trading, or was",
        autocompletion=completed("accounts"),
    ),
]
