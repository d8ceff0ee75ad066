"""What can be read under /api/v1: what `duckbourse.market` offers, as pages of rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import reduce
from operator import and_
from typing import Annotated, Any
from urllib.parse import unquote

from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation
from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from duckbourse.api.asking import Rows
from duckbourse.api.formats import ARROW, CSV, PARQUET
from duckbourse.api.problems import MEDIA_TYPE, Refused
from duckbourse.lists import Kind, query_of
from duckbourse.market import Market, days, filtered, one_of


class Route(APIRoute):
    """A route whose names may have a slash in them: %2F is decoded after it has matched."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        raw = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        match, found = super().matches({**scope, "path": raw})
        if match is not Match.NONE:
            names = {name: unquote(value) for name, value in found["path_params"].items()}
            found = {**found, "path_params": names}
        return match, found


router = APIRouter(prefix="/api/v1", route_class=Route)

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
Name = Annotated[str, Path(max_length=200)]
Symbol = Annotated[str, Path(max_length=200, examples=["AAPL"])]
Timeframe = Annotated[str, Path(max_length=200, examples=["1d"])]
Since = Annotated[
    str | None, Query(pattern=DAY, description="First trading date.", examples=["2010-05-03"])
]
Until = Annotated[
    str | None, Query(pattern=DAY, description="Last trading date.", examples=["2010-05-28"])
]
Scanner = Annotated[str | None, Query(max_length=200, examples=["crp"])]
Preset = Annotated[str | None, Query(max_length=200, examples=["standard"])]
Wanted = Annotated[str | None, Query(max_length=200)]

PROBLEM = {
    "description": "One line on what is wrong, and what to do.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "remedy"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "remedy": {"type": "string"},
                },
            },
            "example": {
                "type": "about:blank",
                "title": "There is no such thing",
                "status": 404,
                "detail": "there is no symbol 'APPL'; did you mean 'AAPL'?",
                "remedy": "GET /api/v1/symbols lists them",
            },
        }
    },
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: PROBLEM for status in (400, 401, 403, 404, 406, 411, 413, 414, 421, 422, 429, 431, 503)
}


def documented(summary: str, **row: Any) -> dict[str, Any]:
    """Return how OpenAPI describes a resource of rows; `row` is an example of one."""
    rows = {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": summary,
        "response_class": Response,
        "responses": {
            200: {
                "description": "A page of rows; the Link header has the address of the next one.",
                "content": {
                    "application/json": {"schema": rows, "example": {"rows": [row]}},
                    CSV: {"schema": {"type": "string"}},
                    ARROW: binary,
                    PARQUET: binary,
                },
            },
            304: {"description": "Not modified."},
            **REFUSALS,
        },
    }


def listed(kind: Kind) -> Callable[[Market], DuckDBPyRelation]:
    """Return what asks for the names of a kind, as `./bourse list` has them."""
    return lambda market: market.sql(f"from ({query_of(market.connection, kind)})")


def between(
    found: DuckDBPyRelation, since: str | None, until: str | None, column: str = "session_date"
) -> DuckDBPyRelation:
    """Return the rows of a range of trading dates, both included."""
    first, last = days(since, until)
    conditions = []
    if first is not None:
        conditions.append(ColumnExpression(column) >= ConstantExpression(first))
    if last is not None:
        # of a time, the whole day
        after = last + timedelta(days=1) if last < date.max else last
        conditions.append(ColumnExpression(column) < ConstantExpression(after))
    return found.filter(reduce(and_, conditions)) if conditions else found


@router.get(
    "/publication", **documented("The publication", build_id="8c1f", git_revision="c9f2753")
)
async def publication(asked: Rows) -> Response:
    return await asked.rows(lambda market: market.sql("from serving.publication"), ["build_id"])


@router.get("/tables", **documented("Tables and views", relation="bars.ohlcv", row_count=531958))
async def tables(asked: Rows) -> Response:
    return await asked.rows(lambda market: market.tables(), ["relation"])


@router.get(
    "/tables/{relation}",
    **documented("The columns of a table", column="close", type="DOUBLE", comment="as traded"),
)
async def columns(asked: Rows, relation: Annotated[str, Path(examples=["bars.ohlcv"])]) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        known = [row[0] for row in market.tables().project("relation").fetchall()]
        one_of("relation", relation, known)
        return market.sql(COLUMNS, {"relation": relation})

    return await asked.rows(found, ["column_number"])


COLUMNS = """
    select
        column_index as column_number,
        column_name as "column",
        data_type as "type",
        comment,
    from duckdb_columns()
    where
        database_name = current_database()
        and schema_name || '.' || table_name = $relation
"""
SEARCH = """
    from ({}) where
        contains(lower(symbol), lower($text::varchar))
        or contains(lower(coalesce(name, '')), lower($text::varchar))
"""


@router.get(
    "/symbols",
    **documented("Symbols", symbol="AAPL", name="Apple", timeframes="1m 5m 15m 30m 1h 1d 1w"),
)
async def symbols(
    asked: Rows,
    search: Annotated[
        str | None, Query(max_length=200, description="Part of a symbol or name.", examples=["app"])
    ] = None,
) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        if search is None:
            return listed(Kind.symbols)(market)
        return market.sql(
            SEARCH.format(query_of(market.connection, Kind.symbols)), {"text": search}
        )

    return await asked.rows(found, ["symbol"])


@router.get(
    "/symbols/{symbol}",
    **documented("The last bar of each timeframe", symbol="AAPL", timeframe="1d", close=430.47),
)
async def symbol_(asked: Rows, symbol: Symbol) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        _check_name(market, "symbol", symbol, "from serving.latest_bars")
        return filtered(market.symbols(), {"symbol": symbol})

    return await asked.rows(found, ["timeframe"])


@router.get(
    "/bars/{symbol}/{timeframe}",
    **documented("Bars", symbol="AAPL", timeframe="1d", bar_ts="2010-05-28T09:30:00", close=256.88),
)
async def bars(
    asked: Rows, symbol: Symbol, timeframe: Timeframe, since: Since = None, until: Until = None
) -> Response:
    return await asked.rows(
        lambda market: between(market.unsorted_bars(symbol, timeframe), since, until), ["bar_ts"]
    )


@router.get(
    "/indicators",
    **documented("Indicators that can be computed", indicator="rsi", periods="14", outputs="rsi"),
)
async def indicators(asked: Rows) -> Response:
    return await asked.rows(listed(Kind.indicators), ["indicator"])


@router.get(
    "/indicators/{symbol}/{timeframe}",
    **documented("Stored indicators", symbol="AAPL", timeframe="1d", rsi_14=61.2),
)
async def stored_indicators(
    asked: Rows, symbol: Symbol, timeframe: Timeframe, since: Since = None, until: Until = None
) -> Response:
    return await asked.rows(
        lambda market: between(market.indicators(symbol, timeframe), since, until, "bar_ts"),
        ["bar_ts"],
    )


@router.get(
    "/indicators/{symbol}/{timeframe}/{indicator}",
    **documented("One indicator, with any periods", bar_ts="2010-05-28T09:30:00", rsi=58.9),
)
async def indicator_(
    asked: Rows,
    symbol: Symbol,
    timeframe: Timeframe,
    indicator: Annotated[str, Path(max_length=200, examples=["rsi"])],
    periods: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{1,6}(,[0-9]{1,6}){0,9}$",
            description="Numbers of bars; without them, the usual ones.",
            examples=["21"],
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    given = [int(number) for number in periods.split(",")] if periods else None

    def found(market: Market) -> DuckDBPyRelation:
        computed = market.indicator(indicator, symbol, timeframe, given)
        return between(computed, since, until, "bar_ts")

    return await asked.rows(found, ["bar_ts"])


@router.get(
    "/scanners", **documented("Scanners", scanner="crp", presets="standard", signal_count=82)
)
async def scanners(asked: Rows) -> Response:
    return await asked.rows(listed(Kind.scanners), ["scanner"])


@router.get(
    "/scans/{scanner}",
    **documented("What a scanner sees at a time of day", symbol="MMM", direction="short", score=95),
)
async def scan(
    asked: Rows,
    scanner: Annotated[str, Path(max_length=200, examples=["crp"])],
    session: Annotated[
        str, Query(pattern=DAY, description="Trading date.", examples=["2010-05-28"])
    ],
    cutoff: Annotated[
        str,
        Query(
            pattern=r"^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
            description="Exchange-local time; nothing later is used.",
            examples=["09:50"],
        ),
    ],
    preset: Annotated[str, Query(max_length=200, examples=["standard"])],
    until: Until = None,
    rejections: Annotated[bool, Query(description="Also the symbols that failed a rule.")] = False,
) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        seen = market.scan(scanner, session, cutoff, preset, until)
        return seen if rejections else seen.filter(ColumnExpression("rejected_by").isnull())

    return await asked.rows(found, ["session_date", "symbol"])


@router.get(
    "/signals",
    **documented("Signals and what followed them", scanner="crp", symbol="MMM", net_return=0.0121),
)
async def signals(
    asked: Rows,
    scanner: Scanner = None,
    preset: Preset = None,
    symbol: Annotated[str | None, Query(max_length=200, examples=["MMM"])] = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        _check_name(market, "symbol", symbol, "from serving.latest_bars")
        rows = market.signals(
            scanner=scanner, preset=preset, since=since, until=until, with_outcomes=True
        )
        return filtered(rows, {"symbol": symbol})

    return await asked.rows(found, ["session_date", "known_ts", "signal_id"])


@router.get(
    "/backtests",
    **documented("Runs, with every figure", run_id="2f5a06", scanner="crp", win_rate=0.54),
)
async def backtests(
    asked: Rows, scanner: Scanner = None, preset: Preset = None, setting: Wanted = None
) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        if scanner is not None:
            return market.backtest(scanner, preset, setting).summary
        rows = market.sql("from backtests.summary")
        for column, name in (("preset", preset), ("setting", setting)):
            _check_name(market, column, name, "from backtests.runs")
        return filtered(rows, {"preset": preset, "setting": setting})

    return await asked.rows(found, ["run_id"])


def _check_name(
    market: Market, kind: str, wanted: str | None, named: str, column: str | None = None
) -> None:
    """Raise NoSuchName if rows are asked for by a name that a query of ours does not have."""
    if wanted is not None:
        known = market.sql(f"select distinct {column or kind} {named} order by all")
        one_of(kind, wanted, [name for (name,) in known.fetchall()])


Run = Annotated[str, Path(max_length=200, examples=["2f5a06"])]


def of_run(run: str, table: str) -> Callable[[Market], DuckDBPyRelation]:
    """Return what asks for the rows of a run in a table that is one of ours."""

    def found(market: Market) -> DuckDBPyRelation:
        _check_name(market, "run", run, "from backtests.runs", "run_id")
        return filtered(market.sql(f"from {table}"), {"run_id": run})

    return found


@router.get("/backtests/{run}", **documented("One run", run_id="2f5a06", win_rate=0.54))
async def backtest(asked: Rows, run: Run) -> Response:
    return await asked.rows(of_run(run, "backtests.summary"), ["run_id"])


@router.get(
    "/backtests/{run}/trades",
    **documented("The trades of a run", symbol="MMM", net_pnl_amount="121.4000"),
)
async def trades(asked: Rows, run: Run) -> Response:
    return await asked.rows(of_run(run, "backtests.trades"), ["session_date", "signal_id"])


@router.get(
    "/backtests/{run}/equity",
    **documented("The equity of a run", session_date="2010-05-28", equity_amount="100121.4000"),
)
async def run_equity(asked: Rows, run: Run) -> Response:
    return await asked.rows(of_run(run, "backtests.equity"), ["session_date"])


@router.get("/portfolios", **documented("Portfolios", portfolio="equal_20", source="weights"))
async def portfolios(asked: Rows) -> Response:
    return await asked.rows(listed(Kind.portfolios), ["portfolio"])


Portfolio = Annotated[str, Path(max_length=200, examples=["equal_20"])]


@router.get(
    "/portfolios/{portfolio}/performance",
    **documented("Every figure of a range", basis="net", cumulative_return=0.404),
)
async def performance(
    asked: Rows, portfolio: Portfolio, since: Since = None, until: Until = None
) -> Response:
    return await asked.rows(
        lambda market: market.portfolio(portfolio).figures(since, until), ["basis"]
    )


# of a portfolio: its relation, its key, and whether it has a range of sessions
OF_PORTFOLIO: dict[str, tuple[list[str], bool]] = {
    "returns": (["session_date"], True),
    "equity": (["basis", "session_date"], True),
    "weights": (["session_date", "symbol"], True),
    "holdings": (["session_date", "symbol"], True),
    "drawdowns": (["basis", "start_date"], False),
}


@router.get(
    "/portfolios/{portfolio}/{what}",
    **documented("Sessions of a portfolio", session_date="2010-05-28", net_return=-0.0112),
)
async def portfolio_rows(
    asked: Rows,
    portfolio: Portfolio,
    what: Annotated[
        str,
        Path(
            max_length=200,
            examples=["returns"],
            description="returns, equity, weights, holdings or drawdowns",
        ),
    ],
    since: Since = None,
    until: Until = None,
) -> Response:
    one_of("table of a portfolio", what, sorted({*OF_PORTFOLIO, "performance"}))
    key, has_range = OF_PORTFOLIO[what]
    if not has_range and (since or until):
        raise Refused(422, f"{what} have no range of sessions", "omit since and until")

    def found(market: Market) -> DuckDBPyRelation:
        rows: DuckDBPyRelation = getattr(market.portfolio(portfolio), what)()
        return between(rows, since, until) if has_range else rows

    return await asked.rows(found, key)


@router.get(
    "/var/{portfolio}",
    **documented("Value at risk and shortfall", session_date="2010-06-01", var_return=0.031),
)
async def var(
    asked: Rows,
    portfolio: Portfolio,
    confidence: Annotated[float, Query(gt=0, lt=1, examples=[0.99])] = 0.99,
    horizon: Annotated[int, Query(ge=1, le=1_000, description="Sessions.", examples=[1])] = 1,
    method: Annotated[str | None, Query(max_length=200, examples=["ewma"])] = None,
    lookback: Annotated[int | None, Query(ge=1, le=100_000, description="Sessions.")] = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        rows = market.var(
            portfolio, confidence=confidence, horizon=horizon, method=method, lookback=lookback
        )
        return between(rows, since, until)

    return await asked.rows(found, ["session_date", "method", "lookback_sessions"])


@router.get(
    "/var/{portfolio}/backtest",
    **documented("Whether the VaR held", method="ewma", exceedance_count=12, verdict="held"),
)
async def var_backtest(asked: Rows, portfolio: Portfolio) -> Response:
    def found(market: Market) -> DuckDBPyRelation:
        market.portfolio(portfolio)  # so that a name that is unknown is refused
        return filtered(market.sql("from risk.var_backtest"), {"portfolio": portfolio})

    return await asked.rows(found, ["period", "method", "confidence", "lookback_sessions"])


# what is known of the quality of data, and the key of each
QUALITY = {
    "rejected": ["session_date", "source_file", "source_row", "rule"],
    "missing": ["symbol", "timeframe", "session_date"],
    "staleness": ["symbol", "timeframe"],
    "suspect_jumps": ["symbol", "session_date"],
    "suspect_extremes": ["symbol", "session_date", "kind"],
    "restatements": ["symbol", "timeframe", "bar_ts", "source", "delivery"],
    "day_minute_conflicts": ["symbol", "session_date"],
    "deliveries": ["delivery"],
}


@router.get(
    "/quality",
    **documented("Findings by symbol", symbol="MBI", finding="suspect_extreme", finding_count=1),
)
async def quality(asked: Rows) -> Response:
    return await asked.rows(
        lambda market: market.sql("from serving.data_quality"),
        ["symbol", "timeframe", "finding", "rule"],
        nullable=["symbol", "timeframe", "rule"],
        reads_clock=True,
    )


@router.get(
    "/quality/{finding}",
    **documented("One kind of finding", symbol="MBI", session_date="2009-10-01"),
)
async def quality_of(
    asked: Rows,
    finding: Annotated[
        str, Path(max_length=200, description=", ".join(QUALITY), examples=["missing"])
    ],
) -> Response:
    key = QUALITY[one_of("finding", finding, sorted(QUALITY))]
    return await asked.rows(
        lambda market: market.sql(f"from bars.{finding}"),
        key,
        nullable=key if finding == "rejected" else (),
        reads_clock=finding == "staleness",
    )
