"""`./bourse risk`: what a portfolio may lose in the session to come, and how far to believe it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape
from rich.table import Table

from duckbourse.cli.export import check_export, export
from duckbourse.cli.output import print_json, print_whole
from duckbourse.errors import ConfigurationError
from duckbourse.warehouse import open_published, quoted, relation

Row = dict[str, Any]
CONTRIBUTIONS = 10
RELATIONS = ("var_estimates", "var_backtest", "stress", "component_var")


def risk(
    portfolio: Annotated[
        str | None, typer.Argument(help="Name of the portfolio; all without.", show_default=False)
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="How sure, such as 0.95.", metavar="FRACTION")
    ] = 0.99,
    lookback: Annotated[
        int, typer.Option(help="How many sessions estimates are made from.", metavar="SESSIONS")
    ] = 250,
    period: Annotated[
        str, typer.Option(help="Which row of var_periods.csv methods are tested over.")
    ] = "all",
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write every estimate of the session to a file: .csv, .parquet or .json.",
            dir_okay=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole picture as one JSON object on stdout.")
    ] = False,
) -> None:
    """
    Show what may be lost in the session to come: by method, by scenario, and by symbol.

    A loss is positive. The tests say how a method has done so far: `passes` is that nothing speaks
    against it. Change `seeds/reference/var_settings.csv`, `var_periods.csv` or the `stress_*.csv`
    there, and run `./bourse build`, for other estimates, tests or scenarios.

    Examples:

    - `./bourse risk equal_20`
    - `./bourse risk equal_20 --confidence 0.975 --period crisis_2008`
    - `./bourse risk --to risk.csv`
    - `./bourse risk equal_20 --json | jq '.equal_20.stress'`
    """
    if to:
        check_export(to)
    connection = open_published()
    try:
        chosen = _portfolios(connection, portfolio)
        _check(connection, {"confidence": confidence, "lookback_days": lookback, "period": period})
        pictures = {
            name: _picture(connection, name, confidence, lookback, period) for name in chosen
        }
        if to:
            export(connection, _session_estimates(chosen), to)
    finally:
        connection.close()
    if json:
        print_json(pictures)
        return
    for name, picture in pictures.items():
        _show(name, picture, confidence, lookback, period)


def _portfolios(connection: duckdb.DuckDBPyConnection, wanted: str | None) -> list[str]:
    for name in RELATIONS:
        relation(connection, f"risk.{name}")
    query = "select distinct portfolio from risk.var_estimates order by portfolio"
    known = [str(row["portfolio"]) for row in _rows(connection, query)]
    if wanted is not None and wanted not in known:
        raise ConfigurationError(
            f"there is no risk of a portfolio {wanted!r}",
            f"those there are: {', '.join(known) or 'none: no portfolio has returns yet'}",
        )
    return known if wanted is None else [wanted]


def _check(connection: duckdb.DuckDBPyConnection, wanted: dict[str, Any]) -> None:
    chosen = "from risk.var_backtest where true"
    for column, value in wanted.items():
        query = f"select distinct {column} as known {chosen} order by known"
        known = [row["known"] for row in _rows(connection, query)]
        if value not in known:
            there = ", ".join(map(str, known)) or "none: nothing is tested yet"
            raise ConfigurationError(
                f"there are no estimates of {column} {value}", f"those there are: {there}"
            )
        chosen += f" and {column} = {quoted(str(value))}"


def _picture(
    connection: duckdb.DuckDBPyConnection,
    portfolio: str,
    confidence: float,
    lookback: int,
    period: str,
) -> dict[str, list[Row]]:
    of_portfolio = f"where portfolio = {quoted(portfolio)}"
    at = f"{of_portfolio} and confidence = {confidence}"
    return {
        "estimates": _rows(
            connection,
            f"from risk.var_estimates {at} and (lookback_days = {lookback} or horizon_days > 1)"
            " qualify session_date = max(session_date) over ()"
            " order by horizon_days, var_return, method",
        ),
        "backtest": _rows(
            connection,
            f"from risk.var_backtest {at} and lookback_days = {lookback}"
            f" and period = {quoted(period)} order by quantile_loss_rank, method",
        ),
        "stress": _rows(
            connection, f"from risk.stress {of_portfolio} order by kind desc, loss_return desc"
        ),
        "contributions": _rows(
            connection,
            f"from risk.component_var {at} and method = 'normal' and lookback_days = {lookback}"
            " and weight != 0 order by component_var_return desc, symbol"
            f" limit {CONTRIBUTIONS}",
        ),
    }


def _session_estimates(portfolios: list[str]) -> str:
    names = ", ".join(map(quoted, portfolios))
    return (
        f"from risk.var_estimates where portfolio in ({names})"
        " qualify session_date = max(session_date) over (partition by portfolio)"
        " order by portfolio, horizon_days, lookback_days, confidence, method"
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor = connection.execute(query)
    names = [str(column[0]) for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _show(
    name: str, picture: dict[str, list[Row]], confidence: float, lookback: int, period: str
) -> None:
    session = picture["estimates"][0]["session_date"] if picture["estimates"] else "no session"
    level = f"{100 * confidence:g} %"
    _print(
        f"{name}: what {session} may lose, {level} sure",
        picture["estimates"],
        {
            "method": ("method", escape),
            "sessions": ("horizon_days", _count),
            "look-back": ("lookback_days", _count),
            "by": ("scaling", escape),
            "VaR %": ("var_return", _pct),
            "ES %": ("es_return", _pct),
            "VaR": ("var_amount", _money),
            "ES": ("es_amount", _money),
        },
    )
    _print(
        f"how methods did: {period}, {level}, look-back {lookback}",
        picture["backtest"],
        {
            "method": ("method", escape),
            "sessions": ("session_count", _count),
            "beyond": ("exceedance_count", _count),
            "promised": ("expected_count", _figure),
            "p (how many)": ("kupiec_p_value", _figure),
            "p (in a row)": ("independence_p_value", _figure),
            "Z2": ("acerbi_szekely_z2", _figure),
            "Basel": ("basel_zone", escape),
            "loss rank": ("quantile_loss_rank", _count),
            "verdict": ("verdict", escape),
        },
    )
    _print(
        "what a scenario would take",
        picture["stress"],
        {
            "scenario": ("scenario", escape),
            "kind": ("kind", escape),
            "loss %": ("loss_return", _pct),
            "loss": ("loss_amount", _money),
            "no price or sector": ("missing_symbols", escape),
        },
    )
    _print(
        f"what brings the risk: normal, {level}",
        picture["contributions"],
        {
            "symbol": ("symbol", escape),
            "weight %": ("weight", _pct),
            "part of VaR %": ("component_pct", _figure),
            "part of VaR": ("component_var_amount", _money),
            "1 % more of it adds": ("incremental_var_amount", _money),
        },
    )


def _print(title: str, rows: list[Row], columns: dict[str, tuple[str, Any]]) -> None:
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            *("-" if row[name] is None else shown(row[name]) for name, shown in columns.values())
        )
    print_whole(table)


def _pct(value: float) -> str:
    return f"{100 * value:.2f}"


def _figure(value: float) -> str:
    return f"{value:.2f}"


def _count(value: int) -> str:
    return f"{value:,}"


def _money(value: float) -> str:
    return f"{value:,.0f}"
