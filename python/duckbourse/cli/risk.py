"""`./bourse risk`: the risk of a portfolio in its next session, and how reliable it has been."""

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
        str | None,
        typer.Argument(help="Name of the portfolio; all if omitted.", show_default=False),
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="Confidence level, such as 0.95.", metavar="FRACTION")
    ] = 0.99,
    lookback: Annotated[
        int, typer.Option(help="Lookback of the estimates.", metavar="SESSIONS")
    ] = 250,
    period: Annotated[str, typer.Option(help="Backtest period, a row of var_periods.csv.")] = "all",
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write all estimates for the session to a file: .csv, .parquet or .json.",
            dir_okay=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print all of it as one JSON object on stdout.")
    ] = False,
) -> None:
    """
    Show the risk of a portfolio in its next session: by method, by scenario and by symbol.

    A loss is positive. The backtest shows how each method has done to date: `passes` means that no
    test rejects it. For other estimates, backtests or scenarios, change `var_settings.csv`,
    `var_periods.csv` or the `stress_*.csv` in `seeds/reference/` and run `./bourse build`.

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
        portfolios = _portfolios(connection, portfolio)
        _check(connection, {"confidence": confidence, "lookback_days": lookback, "period": period})
        reports = {
            name: _report(connection, name, confidence, lookback, period) for name in portfolios
        }
        if to:
            export(connection, _session_estimates(portfolios), to)
    finally:
        connection.close()
    if json:
        print_json(reports)
        return
    for name, report in reports.items():
        _show(name, report, confidence, lookback, period)


def _portfolios(connection: duckdb.DuckDBPyConnection, requested: str | None) -> list[str]:
    for name in RELATIONS:
        relation(connection, f"risk.{name}")
    query = "select distinct portfolio from risk.var_estimates order by portfolio"
    known = [str(row["portfolio"]) for row in _rows(connection, query)]
    if requested is not None and requested not in known:
        raise ConfigurationError(
            f"there are no risk figures for portfolio {requested!r}",
            f"available: {', '.join(known) or 'none, because no portfolio has returns yet'}",
        )
    return known if requested is None else [requested]


def _check(connection: duckdb.DuckDBPyConnection, requested: dict[str, Any]) -> None:
    selection = "from risk.var_backtest where true"
    for column, value in requested.items():
        query = f"select distinct {column} as known {selection} order by known"
        known = [row["known"] for row in _rows(connection, query)]
        if value not in known:
            available = ", ".join(map(str, known)) or "none, because no backtest has run yet"
            raise ConfigurationError(
                f"there are no estimates for {column} {value}", f"available: {available}"
            )
        selection += f" and {column} = {quoted(str(value))}"


def _report(
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
    name: str, report: dict[str, list[Row]], confidence: float, lookback: int, period: str
) -> None:
    session = report["estimates"][0]["session_date"] if report["estimates"] else "no session"
    level = f"{100 * confidence:g} %"
    _print(
        f"{name}: VaR and expected shortfall for {session}, {level}",
        report["estimates"],
        {
            "method": ("method", escape),
            "horizon": ("horizon_days", _count),
            "lookback": ("lookback_days", _count),
            "scaling": ("scaling", escape),
            "VaR %": ("var_return", _pct),
            "ES %": ("es_return", _pct),
            "VaR": ("var_amount", _money),
            "ES": ("es_amount", _money),
        },
    )
    _print(
        f"backtest: {period}, {level}, lookback {lookback}",
        report["backtest"],
        {
            "method": ("method", escape),
            "sessions": ("session_count", _count),
            "breaches": ("exceedance_count", _count),
            "expected": ("expected_count", _figure),
            "p (Kupiec)": ("kupiec_p_value", _figure),
            "p (independence)": ("independence_p_value", _figure),
            "Z2": ("acerbi_szekely_z2", _figure),
            "Basel": ("basel_zone", escape),
            "loss rank": ("quantile_loss_rank", _count),
            "verdict": ("verdict", escape),
        },
    )
    _print(
        "stress scenarios",
        report["stress"],
        {
            "scenario": ("scenario", escape),
            "kind": ("kind", escape),
            "loss %": ("loss_return", _pct),
            "loss": ("loss_amount", _money),
            "no price or sector": ("missing_symbols", escape),
        },
    )
    _print(
        f"contributions to VaR: normal, {level}",
        report["contributions"],
        {
            "symbol": ("symbol", escape),
            "weight %": ("weight", _pct),
            "% of VaR": ("component_pct", _figure),
            "component VaR": ("component_var_amount", _money),
            "VaR added by 1 % more": ("incremental_var_amount", _money),
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
