"""`./bourse backtest`: what a scanner's signals would have earned, and whether it is chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import duckdb
import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.listing import completed
from duckbourse.cli.minutes import note_synthetic_trades
from duckbourse.cli.options import Csv, Json, To, one_format, one_preset
from duckbourse.cli.output import print_json, results
from duckbourse.cli.pictures import curve, is_drawn, sparkline
from duckbourse.cli.tables import Column, print_whole, probability, same_in_all, table, text
from duckbourse.errors import ConfigurationError
from duckbourse.names import did_you_mean
from duckbourse.warehouse import fetch_rows, open_published, quoted, relation
from duckbourse.words import counted

Row = dict[str, Any]
# Title -> heading -> column, or the columns of a figure and the bounds of its interval; a fraction
# is shown in percent where the heading says so.
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "trades": {
        "trades": ("trade_count",),
        "of signals": ("signal_count",),
        "win rate %": ("win_rate", "win_rate_low", "win_rate_high"),
        "mean trade %": ("mean_trade_return", "mean_trade_return_low", "mean_trade_return_high"),
        "average win %": ("average_win_return",),
        "average loss %": ("average_loss_return",),
        "profit factor": ("profit_factor_ratio",),
        "minutes held": ("mean_held_minutes",),
        "not closed": ("unclosed_count",),
    },
    "account": {
        "sessions": ("session_count",),
        "net P&L": ("net_pnl_amount",),
        "charges": ("charges_amount",),
        "slippage": ("slippage_amount",),
        "costs of wins %": ("cost_ratio",),
        "return %": ("cumulative_return",),
        "CAGR %": ("cagr",),
        "drawdown %": ("max_drawdown",),
        "exposure %": ("exposure_ratio",),
        "turnover": ("turnover_ratio",),
    },
    "against the benchmark": {
        "symbol": ("benchmark",),
        "return %": ("benchmark_cumulative_return",),
        "active %": ("active_cumulative_return",),
        "beta": ("beta",),
        "alpha %": ("alpha",),
        "correlation": ("benchmark_correlation",),
        "tracking error %": ("tracking_error",),
        "information ratio": ("information_ratio",),
    },
    "is it chance?": {
        "Sharpe": ("sharpe_ratio",),
        "Sortino": ("sortino_ratio",),
        "P(Sharpe > 0)": ("probabilistic_sharpe",),
        "trials": ("trial_count",),
        "P(Sharpe > chance)": ("deflated_sharpe",),
        "random trade %": ("random_mean_return",),
        "p": ("permutation_p_value",),
    },
}
# an amount of this size has no decimals
WHOLE_FROM = 1000
RUN = [Column(name, name, justify="left") for name in ("preset", "setting")]
FOLDS: dict[str, tuple[str, ...]] = {
    "fold": ("fold",),
    "first session": ("first_session_date",),
    "last session": ("last_session_date",),
    "trades": ("trade_count",),
    "mean trade %": ("mean_trade_return",),
    "return %": ("cumulative_return",),
}


def backtest(
    scanner: Annotated[
        str,
        typer.Argument(
            help="Name of the scanner, or of its preset, such as crp or crp.standard.",
            show_default=False,
            autocompletion=completed("scanners"),
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="Only this preset.",
            metavar="NAME",
            autocompletion=completed("presets"),
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option("--settings", help="Only this row of backtest_settings.csv.", metavar="NAME"),
    ] = None,
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    Show a scanner's published backtests: trades, account, and whether the result may be chance.

    Figures in brackets are the 95% interval. Figures of fewer than 20 sessions are not annualized,
    and fewer than ten trades have no interval and no p-value. The rows of --to and --csv are the
    trades; --json has the summary and the folds. To backtest other sizes, costs or
    stops, change `seeds/backtests/backtest_settings.csv` and run `./bourse build`.

    Examples:

    - `./bourse backtest crp`
    - `./bourse backtest crp --preset standard --settings us_fixed`
    - `./bourse backtest breakout --to trades.csv`
    - `./bourse backtest crp --json | jq '.summary[].sharpe_ratio'`
    """
    one_format(json=json, csv=csv)
    one_preset([scanner], preset)
    scanner, _, own = scanner.partition(".")
    preset = own or preset
    if to:
        check_export(to)
    connection = open_published()
    try:
        runs = _runs(connection, {"scanner": scanner, "preset": preset, "setting": settings})
        ids = ", ".join(quoted(run["run_id"]) for run in runs)
        folds = fetch_rows(
            connection,
            "select preset, setting, folds.* from backtests.folds inner join backtests.runs "
            f"using (run_id) where run_id in ({ids}) "
            "order by preset, setting, first_session_date, last_session_date desc",
        )
        if to:
            export(connection, _trades(ids), to)
        if csv:
            print_csv_of(connection, _trades(ids))
            return
        equity = _equity(connection, ids) if is_drawn() and not json else {}
        if not json:
            note_synthetic_trades(connection, [run["run_id"] for run in runs])
    finally:
        connection.close()
    if json:
        print_json({"summary": runs, "folds": folds})
        return
    tables = {title: (columns, runs) for title, columns in TABLES.items()}
    if len(runs) == 1:
        tables["folds"] = (FOLDS, folds)
    for title, (columns, rows) in tables.items():
        figures = [
            Column(heading, names, _format(heading, names, rows))
            for heading, names in columns.items()
        ]
        if title == "account" and len(runs) > 1 and equity:
            rows = [row | {"equity": sparkline(equity[row["run_id"]])} for row in rows]
            figures.append(Column("equity", "equity", justify="left"))
        print_whole(table([*RUN, *figures], rows, title=title, missing="-"))
    if len(runs) == 1 and equity:
        _draw(runs[0], equity[runs[0]["run_id"]])


def _draw(run: Row, returns: Sequence[float]) -> None:
    """Draw the equity of a run, as its return since the beginning."""
    results.print("\nreturn after costs, % of the capital, by session", style="italic")
    for line in curve([100 * each for each in returns]):
        results.print(line, markup=False)
    results.print(f"{counted(run['session_count'], 'session')}", markup=False)


def _runs(connection: duckdb.DuckDBPyConnection, wanted: dict[str, str | None]) -> list[Row]:
    relation(connection, "backtests.summary")
    chosen = "from backtests.summary where true"
    for column, name in wanted.items():
        if name is None:
            continue
        query = f"select distinct {column} {chosen}"
        known = [row[column] for row in fetch_rows(connection, query)]
        if name not in known:
            names = ", ".join(sorted(known)) or "none, since no scanner has a signal yet"
            raise ConfigurationError(
                f"there is no backtest of {column} {name!r}{did_you_mean(name, known)}",
                f"available: {names}",
            )
        chosen += f" and {column} = {quoted(name)}"
    return fetch_rows(connection, f"{chosen} order by preset, setting")


def _equity(connection: duckdb.DuckDBPyConnection, ids: str) -> dict[str, list[float]]:
    """Return the return of each run's equity since its beginning, by session."""
    rows = fetch_rows(
        connection,
        "select run_id, equity_amount::double / capital_amount::double - 1 as since_start "
        "from backtests.equity inner join backtests.runs using (run_id) "
        f"where run_id in ({ids}) order by run_id, session_date",
    )
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(row["since_start"])
    return found


def _trades(ids: str) -> str:
    return (
        "select scanner, preset, setting, trades.* from backtests.trades "
        f"inner join backtests.runs using (run_id) where run_id in ({ids}) "
        "order by preset, setting, session_date, signal_rank, signal_id"
    )


def _format(heading: str, names: Sequence[str], rows: Sequence[Row]) -> Callable[..., str]:
    if heading.endswith("%"):
        return _percent
    if heading == "p" or heading.startswith("P("):
        return probability
    return partial(_figure, whole_from=same_in_all(rows, names[0], WHOLE_FROM))


def _percent(*fractions: float | None) -> str:
    return _figure(*(None if fraction is None else 100 * fraction for fraction in fractions))


def _figure(value: Any, *bounds: float | None, whole_from: float = math.inf) -> str:
    shown = text(value, whole_from=whole_from)
    if bounds and None not in bounds:
        shown += f" ({bounds[0]:z.2f} … {bounds[1]:z.2f})"
    return shown
