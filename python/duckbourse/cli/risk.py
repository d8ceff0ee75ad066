"""`./bourse risk`: the risk of a portfolio in its next session, and how reliable it has been."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import duckdb
import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.listing import completed
from duckbourse.cli.options import Csv, Json, To, one_format
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.pictures import is_drawn, sparkline
from duckbourse.cli.tables import Column, percent, print_whole, probability, table, whole, words
from duckbourse.errors import BourseError, ConfigurationError, PublicationError
from duckbourse.names import did_you_mean
from duckbourse.warehouse import fetch_rows, open_published, quoted, relation
from duckbourse.words import counted

Row = dict[str, Any]
CONTRIBUTIONS = 10
# of the pictures of a portfolio's past
DRAWN_SESSIONS, DRAWN_COLUMNS = 250, 60
# the backtest period of all sessions
WHOLE = "all"
TABLES = {
    "estimates": (
        Column("method", "method", justify="left"),
        Column("horizon (sessions)", "horizon_sessions"),
        Column("lookback (sessions)", "lookback_sessions"),
        Column("scaling", "scaling"),
        Column("VaR %", "var_return", percent),
        Column("ES %", "es_return", percent),
        Column("VaR", "var_amount", whole),
        Column("ES", "es_amount", whole),
    ),
    "backtest": (
        Column("method", "method", justify="left"),
        Column("sessions", "session_count"),
        Column("breaches", "exceedance_count"),
        Column("expected", "expected_count"),
        Column("p (Kupiec)", "kupiec_p_value", probability),
        Column("p (independence)", "independence_p_value", probability),
        Column("Z2", "acerbi_szekely_z2"),
        Column("Basel", "basel_zone"),
        Column("loss rank", "quantile_loss_rank"),
        Column("verdict", "verdict", words),
    ),
    "stress": (
        Column("scenario", "scenario", justify="left"),
        Column("kind", "kind"),
        Column("loss %", "loss_return", percent),
        Column("loss", "loss_amount", whole),
        Column("no price or sector", "missing_symbols"),
    ),
    "contributions": (
        Column("symbol", "symbol", justify="left"),
        Column("weight %", "weight", percent),
        Column("% of VaR", "component_ratio", percent),
        Column("component VaR", "component_var_amount", whole),
        Column("VaR added by 1% more", "incremental_var_amount", whole),
    ),
}
RELATIONS = ("var_estimates", "var_backtest", "stress", "component_var")


def risk(
    portfolio: Annotated[
        str | None,
        typer.Argument(
            help="Name of the portfolio; all if omitted.",
            show_default=False,
            autocompletion=completed("portfolios"),
        ),
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help="Session whose estimates to show, and nothing that was known only later.",
            show_default="the next",
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="Confidence level, such as 0.95.", metavar="FRACTION")
    ] = 0.99,
    lookback: Annotated[
        int, typer.Option(help="Lookback of the estimates.", metavar="SESSIONS")
    ] = 250,
    period: Annotated[
        str | None,
        typer.Option(help="Backtest period, a row of var_periods.csv.", show_default=WHOLE),
    ] = None,
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    Show the risk of a portfolio in its next session: by method, by scenario and by symbol.

    A loss is positive. An amount is a return times the portfolio's capital. The backtest shows how
    each method has done to date. The verdict "passes" means that no test rejects the method. With
    --date, backtest, scenarios and contributions are left out. The rows of --to and --csv are all
    estimates for the session. For other estimates, backtests or scenarios, change
    `var_settings.csv`, `var_periods.csv` or the `stress_*.csv` in `seeds/reference/` and run
    `./bourse build`.

    Examples:

    - `./bourse risk equal_20`
    - `./bourse risk equal_20 --confidence 0.975 --period crisis_2008`
    - `./bourse risk equal_20 --date 2010-05-06`
    - `./bourse risk --to risk.csv`
    - `./bourse risk equal_20 --json | jq '.equal_20.stress'`
    """
    one_format(json=json, csv=csv)
    if day and period:
        raise ConfigurationError(
            f"--period {period} is a period of the backtest, which --date does not show",
            "omit one of the two",
        )
    period = period or WHOLE
    if to:
        check_export(to)
    connection = open_published()
    try:
        portfolios = _portfolios(connection, portfolio)
        _check(
            connection,
            {"confidence": confidence, "lookback_sessions": lookback, "period": period},
        )
        session = day.date() if day else None
        if session:
            _check_session(connection, portfolios, session)
        estimates = _session_estimates(portfolios, session)
        if to:
            export(connection, estimates, to)
        if csv:
            print_csv_of(connection, estimates)
            return
        reports = {
            name: _report(connection, name, session, confidence, lookback, period)
            for name in portfolios
        }
        past = {name: _past(connection, name, session) for name in portfolios if is_drawn()}
        capital = {
            row["portfolio"]: f"{whole(row['capital_amount'])} {row['currency']}"
            for row in fetch_rows(connection, "from seeds.portfolios")
        }
    finally:
        connection.close()
    if json:
        print_json(reports)
        return
    for name, report in reports.items():
        _show(name, report, capital[name], confidence, lookback, period)
        if rows := past.get(name):
            _draw(rows)


def _past(connection: duckdb.DuckDBPyConnection, portfolio: str, session: date | None) -> list[Row]:
    """Return equity and drawdown of the sessions before the one that is estimated."""
    before = f"and session_date < {quoted(session)}" if session else ""
    return fetch_rows(
        connection,
        "select session_date, equity_ratio, drawdown from portfolio.equity "
        f"where portfolio = {quoted(portfolio)} and basis = 'net' {before} "
        "and equity_ratio is not null and drawdown is not null "
        f"qualify row_number() over (order by session_date desc) <= {DRAWN_SESSIONS} "
        "order by session_date",
    )


def _draw(rows: list[Row]) -> None:
    """Draw equity and drawdown of the last sessions, each in a line."""
    first, last = rows[0], rows[-1]
    gained = last["equity_ratio"] / first["equity_ratio"] - 1
    deepest = min(row["drawdown"] for row in rows)
    pictures = {
        "equity": f"{100 * gained:+.2f}%",
        "drawdown": f"{100 * last['drawdown']:.2f}%, deepest {100 * deepest:.2f}%",
    }
    results.print(
        f"\nafter costs, {first['session_date']} to {last['session_date']}", style="italic"
    )
    for (title, said), column in zip(pictures.items(), ("equity_ratio", "drawdown"), strict=True):
        line = sparkline([row[column] for row in rows], DRAWN_COLUMNS)
        results.print(f"{title:<9} {line} {said}", markup=False)


def _portfolios(connection: duckdb.DuckDBPyConnection, requested: str | None) -> list[str]:
    for name in RELATIONS:
        relation(connection, f"risk.{name}")
    query = "select distinct portfolio from risk.var_estimates order by portfolio"
    known = [str(row["portfolio"]) for row in fetch_rows(connection, query)]
    if requested in known or (requested is None and known):
        return known if requested is None else [requested]
    for row in fetch_rows(connection, "from seeds.portfolios order by portfolio"):
        if requested in (None, row["portfolio"]):
            raise _without_figures(connection, row)
    raise ConfigurationError(
        f"there are no risk figures for portfolio {requested!r}"
        f"{did_you_mean(requested or '', known)}",
        f"available: {', '.join(known) or 'none'}",
    )


def _without_figures(connection: duckdb.DuckDBPyConnection, portfolio: Row) -> BourseError:
    name = portfolio["portfolio"]
    sql = f"""
        select
            (
                select count(net_return) from portfolio.returns
                where portfolio = {quoted(name)}
            ) as return_count,
            (select min(lookback_sessions) from seeds.var_settings) as least_count
    """
    [found] = fetch_rows(connection, sql)
    count, least = found["return_count"], found["least_count"]
    if count:
        why = f"it has returns of {count:,} sessions, and the shortest lookback is {least:,}"
        remedy = (
            "ingest earlier bars, or add a shorter lookback to seeds/reference/var_settings.csv"
        )
    elif portfolio["source"] == "fills":
        why, remedy = "it has no fills", "`./bourse journal export` writes those of a session"
    else:
        why = "it has no returns, since there are no daily bars of what it holds"
        remedy = "`./bourse ingest` daily bars of the symbols in portfolio_weights.csv"
    return PublicationError(
        f"there are no risk figures for portfolio {name!r}: {why}",
        f"{remedy}; then run `./bourse build`",
    )


def _check(connection: duckdb.DuckDBPyConnection, requested: dict[str, Any]) -> None:
    selection = "from risk.var_backtest where true"
    for column, value in requested.items():
        query = f"select distinct {column} as known {selection} order by known"
        known = [row["known"] for row in fetch_rows(connection, query)]
        if value not in known:
            available = ", ".join(map(str, known)) or "none, because no backtest has run yet"
            # a percentage for a fraction, as in `portfolio_var`
            meant = [each for each in known if column == "confidence" and value == 100 * each]
            asked = f"; did you mean {meant[0]}?" if meant else ""
            raise ConfigurationError(
                f"there are no estimates for {column} {value:g}{asked}"
                if column == "confidence"
                else f"there are no estimates for {column} {value}",
                f"available: {available}",
            )
        selection += f" and {column} = {quoted(str(value))}"


def _check_session(
    connection: duckdb.DuckDBPyConnection, portfolios: list[str], session: date
) -> None:
    sql = f"""
        select
            bool_or(session_date = $day) as is_known,
            max(session_date) filter (where session_date < $day) as before,
            min(session_date) filter (where session_date > $day) as after
        from risk.var_estimates where portfolio in ({", ".join(map(quoted, portfolios))})
    """
    [found] = fetch_rows(connection, sql, {"day": session})
    if not found["is_known"]:
        near = " or ".join(str(found[name]) for name in ("before", "after") if found[name])
        raise ConfigurationError(f"there are no estimates for {session}", f"try {near}")


def _report(
    connection: duckdb.DuckDBPyConnection,
    portfolio: str,
    session: date | None,
    confidence: float,
    lookback: int,
    period: str,
) -> dict[str, list[Row]]:
    of_portfolio = f"where portfolio = {quoted(portfolio)}"
    at = f"{of_portfolio} and confidence = {confidence}"
    report = {
        "estimates": fetch_rows(
            connection,
            f"from risk.var_estimates {at}"
            f" and (lookback_sessions = {lookback} or horizon_sessions > 1)"
            f" {_of(session, '')}"
            " order by horizon_sessions, var_return, method",
        ),
    }
    if session:
        return report
    return report | {
        "backtest": fetch_rows(
            connection,
            f"from risk.var_backtest {at} and lookback_sessions = {lookback}"
            f" and period = {quoted(period)} order by quantile_loss_rank, method",
        ),
        "stress": fetch_rows(
            connection, f"from risk.stress {of_portfolio} order by kind desc, loss_return desc"
        ),
        "contributions": fetch_rows(
            connection,
            f"from risk.component_var {at} and method = 'sample' and lookback_sessions = {lookback}"
            " and weight != 0 order by component_var_return desc, symbol",
        ),
    }


def _of(session: date | None, per: str) -> str:
    # only a condition with a window may follow `qualify`
    chosen = f"date {quoted(session)}" if session else "session_date"
    return f"qualify session_date = max({chosen}) over ({per})"


def _session_estimates(portfolios: list[str], session: date | None) -> str:
    names = ", ".join(map(quoted, portfolios))
    return (
        f"from risk.var_estimates where portfolio in ({names})"
        f" {_of(session, 'partition by portfolio')}"
        " order by portfolio, horizon_sessions, lookback_sessions, confidence, method"
    )


def _show(
    name: str,
    report: dict[str, list[Row]],
    capital: str,
    confidence: float,
    lookback: int,
    period: str,
) -> None:
    session = report["estimates"][0]["session_date"] if report["estimates"] else "no session"
    level = f"{100 * confidence:g}%"
    titles = {
        "estimates": f"{name}: VaR and expected shortfall at {level} for {session}, of {capital}",
        "backtest": f"backtest: {period}, {level}, horizon 1 session, lookback {lookback} sessions",
        "stress": f"stress scenarios, of {capital}",
        "contributions": "contributions to VaR: sample covariances,"
        f" {level}, horizon 1 session, of {capital}",
    }
    for part, rows in report.items():
        most = CONTRIBUTIONS if part == "contributions" else len(rows)
        print_whole(table(TABLES[part], rows[:most], title=titles[part], missing="-"))
        if len(rows) > most:
            notes.print(f"{most} of {counted(len(rows), 'symbol')}; --json shows all of them")
