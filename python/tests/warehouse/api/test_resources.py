"""Each resource of the API on the shipped data: its rows are those of a query, in every format."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duckbourse.api import Bounds
from duckbourse.api.formats import ARROW, CSV, JSON, PARQUET, plain
from duckbourse.client import ServerRefused
from duckbourse.lists import Kind, query_of
from duckbourse.market import Market
from duckbourse.pages import addresses
from duckbourse.pages import answer as page_answer
from duckbourse.warehouse import confine, open_published
from tests.support.serving import Served, serving
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.some_day

RUN = "(select min(run_id) from backtests.runs)"
# an address, the query of its rows, and the columns of its order
RESOURCES: dict[str, tuple[str, str]] = {
    "publication": ("from serving.publication", "build_id"),
    "tables/bars.ohlcv": (
        "select column_index as column_number, column_name as column, data_type as type, comment"
        " from duckdb_columns() where schema_name = 'bars' and table_name = 'ohlcv'",
        "column_number",
    ),
    "symbols/AAPL": ("from serving.latest_bars where symbol = 'AAPL'", "timeframe"),
    "bars/AAPL/1d?since=2010-05-03&until=2010-05-28": (
        "from bars.ohlcv where symbol = 'AAPL' and timeframe = '1d'"
        " and session_date between '2010-05-03' and '2010-05-28'",
        "bar_ts",
    ),
    "bars/AAPL/1m?since=2010-05-28": (
        "from bars.ohlcv where symbol = 'AAPL' and timeframe = '1m'"
        " and session_date >= '2010-05-28'",
        "bar_ts",
    ),
    "indicators/AAPL/1d?since=2010-05-03&until=2010-05-28": (
        "from indicator_history('AAPL', '1d')"
        " where bar_ts::date between '2010-05-03' and '2010-05-28'",
        "bar_ts",
    ),
    "indicators/AAPL/1d/macd?periods=5,35,5&since=2013-01-01": (
        "from indicators.macd('AAPL', '1d', 5, 35, 5) where bar_ts >= '2013-01-01'",
        "bar_ts",
    ),
    "scans/crp?session=2010-05-28&cutoff=10:20&preset=standard": (
        "from crp_scan('2010-05-28', '10:20', 'standard') where rejected_by is null",
        "session_date, symbol",
    ),
    "scans/gap?session=2010-05-28&cutoff=09:50&preset=standard&rejections=true": (
        "from gap_scan('2010-05-28', '09:50', 'standard')",
        "session_date, symbol",
    ),
    "signals?scanner=crp&since=2010-05-27": (
        "from serving.signals_with_outcomes where scanner = 'crp' and session_date >= '2010-05-27'",
        "session_date, known_ts, signal_id",
    ),
    "signals?symbol=MMM": (
        "from serving.signals_with_outcomes where symbol = 'MMM'",
        "session_date, known_ts, signal_id",
    ),
    "backtests": ("from backtests.summary", "run_id"),
    "backtests?scanner=crp&preset=standard": (
        "from backtests.summary where scanner = 'crp' and preset = 'standard'",
        "run_id",
    ),
    "backtests/{run}": (f"from backtests.summary where run_id = {RUN}", "run_id"),
    "backtests/{run}/trades": (
        f"from backtests.trades where run_id = {RUN}",
        "session_date, signal_id",
    ),
    "backtests/{run}/equity": (f"from backtests.equity where run_id = {RUN}", "session_date"),
    "portfolios/equal_20/performance?since=2009-01-01&until=2009-12-31": (
        "from portfolio_performance('equal_20', '2009-01-01', '2009-12-31')",
        "basis",
    ),
    "portfolios/equal_20/returns?since=2022-01-01": (
        "from portfolio.returns where portfolio = 'equal_20' and session_date >= '2022-01-01'",
        "session_date",
    ),
    "portfolios/equal_20/equity?since=2022-01-01": (
        "from portfolio.equity where portfolio = 'equal_20' and session_date >= '2022-01-01'",
        "basis, session_date",
    ),
    "portfolios/equal_20/weights?since=2022-12-01": (
        "from portfolio.weights where portfolio = 'equal_20' and session_date >= '2022-12-01'",
        "session_date, symbol",
    ),
    "portfolios/equal_20/drawdowns": (
        "from portfolio.drawdowns where portfolio = 'equal_20'",
        "basis, start_date",
    ),
    "portfolios/equal_20/holdings": ("from portfolio.holdings limit 0", "1"),
    "var/equal_20?method=ewma&confidence=0.95&since=2022-12-01": (
        "from risk.var_estimates where portfolio = 'equal_20' and method = 'ewma'"
        " and confidence = 0.95 and horizon_sessions = 1 and session_date >= '2022-12-01'",
        "session_date, method, lookback_sessions",
    ),
    "var/equal_20/backtest": (
        "from risk.var_backtest where portfolio = 'equal_20'",
        "period, method, confidence, lookback_sessions",
    ),
    "quality": ("from serving.data_quality", ""),
    "quality/rejected": ("from bars.rejected", ""),
    "quality/missing": ("from bars.missing", "symbol, timeframe, session_date"),
    "quality/staleness": ("from bars.staleness", "symbol, timeframe"),
    "quality/suspect_jumps": ("from bars.suspect_jumps", "symbol, session_date"),
    "quality/suspect_extremes": ("from bars.suspect_extremes", "symbol, session_date, kind"),
    "quality/restatements": ("from bars.restatements", "1"),
    "quality/day_minute_conflicts": ("from bars.day_minute_conflicts", "1"),
    "quality/deliveries": ("from bars.deliveries", "delivery"),
}
LISTS = ("tables", "symbols", "symbols?search=APPLE", "indicators", "scanners", "portfolios")


@pytest.fixture(scope="module")
def served(sample: Warehouse) -> Iterator[Served]:
    bounds = Bounds(requests_per_second=100_000, rows=20_000, seconds=60)
    with serving(sample.file, bounds=bounds) as found:
        yield found


@pytest.fixture(scope="module")
def run(sample: Warehouse) -> str:
    return str(sample.query("select min(run_id) from backtests.runs")[0][0])


@pytest.mark.parametrize("address", RESOURCES)
def test_a_resource_is_the_rows_of_a_query(
    served: Served, sample: Warehouse, run: str, address: str
) -> None:
    query, order = RESOURCES[address]
    connection = open_published(sample.file)
    try:
        confine(connection)
        cursor = connection.execute(f"from ({query}) {f'order by {order}' if order else ''}")
        names = [column[0] for column in cursor.description or []]
        wanted = [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]
    finally:
        connection.close()
    there = f"/api/v1/{address.format(run=run)}"
    answer = served.get(f"{there}{'&' if '?' in there else '?'}limit=20000")
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rows"]
    if not order:
        rows, wanted = (sorted(each, key=str) for each in (rows, wanted))
    assert rows == wanted
    assert answer.headers["x-row-count"] == str(len(wanted))
    # the same rows in every format
    for kind in (CSV, ARROW, PARQUET):
        answer = served.get(there, accept=kind)
        assert answer.headers["content-type"].startswith(kind)
        if kind == CSV:
            assert answer.text.split("\r\n")[0] == ",".join(names)
            continue
        read = polars.read_ipc_stream if kind == ARROW else polars.read_parquet
        frame: Any = read(io.BytesIO(answer.content))
        assert frame.columns == names
        assert frame.height == min(len(wanted), 1_000)


@pytest.mark.parametrize("address", LISTS)
def test_a_list_has_what_the_command_lists(served: Served, sample: Warehouse, address: str) -> None:
    rows = served.get(f"/api/v1/{address}").json()["rows"]
    name = address.partition("?")[0]
    with Market(sample.file) as market:
        listed = (
            market.tables()
            if name == "tables"
            else market.sql(f"from ({query_of(market.connection, Kind(name))})")
        )
        names = listed.columns
        wanted = [dict(zip(names, map(plain, row), strict=True)) for row in listed.fetchall()]
    if "search" in address:
        wanted = [row for row in wanted if row["symbol"] == "AAPL"]
    wanted.sort(key=lambda row: str(row[names[0]]))
    assert rows == wanted
    assert rows


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_pages_follow_one_another(served: Served, order: str) -> None:
    address = "/api/v1/bars/AAPL/1d?since=2010-01-01&until=2010-12-31"
    whole = served.get(f"{address}&limit=20000&order={order}").json()["rows"]
    following: str | None = f"{address}&limit=100&order={order}"
    rows: list[Any] = []
    while following:
        answer = served.get(following)
        rows += answer.json()["rows"]
        following = answer.links.get("next", {}).get("url")
    assert rows == whole
    assert len(rows) == 252
    for finding in ("quality", "quality/rejected", "quality/missing"):
        address = f"/api/v1/{finding}?order={order}"
        whole = served.get(f"{address}&limit=20000").json()["rows"]
        following, rows = f"{address}&limit={len(whole) // 9}", []
        while following:
            answer = served.get(following)
            rows += answer.json()["rows"]
            following = answer.links.get("next", {}).get("url")
        assert rows == whole, finding
        assert len({str(row) for row in rows}) == len(rows)
    address = "/api/v1/bars/AAPL/1d?since=2010-01-01&until=2010-12-31"
    cursor = re.search("cursor=([^&>]+)", served.get(f"{address}&limit=1").headers["link"])
    assert cursor
    other = served.get(f"/api/v1/bars/MMM/1d?cursor={cursor[1]}")
    assert (other.status_code, other.json()["detail"]) == (400, "the cursor is of another resource")


def test_what_has_not_changed_is_not_sent_again(served: Served) -> None:
    for address in ("/api/v1/bars/AAPL/1d", "/api/pages/docs"):
        first = served.get(address)
        again = served.get(address, if_none_match=f'"x", {first.headers["etag"]}')
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert first.headers["vary"].startswith("Accept")
    tags = {
        served.get(address, accept=kind).headers["etag"]
        for address in ("/api/v1/scanners", "/api/v1/scanners?limit=2", "/api/v1/portfolios")
        for kind in (JSON, CSV)
    }
    assert len(tags) == 6


def test_another_version_of_the_code_answers_again(served: Served) -> None:
    first = served.get("/api/pages/docs")
    server = served.app.state.server
    server.code, before = "another", server.code
    try:
        again = served.get("/api/pages/docs", if_none_match=first.headers["etag"])
    finally:
        server.code = before
    assert again.status_code == 200


def test_what_depends_on_the_clock_is_asked_for_again(
    served: Served, sample: Warehouse, run: str
) -> None:
    query = "select schema_name || '.' || view_name, sql from duckdb_views() where not internal"
    views = {str(name): str(text) for name, text in sample.query(query)}
    late = {name for name, text in views.items() if "now()" in text}
    assert late
    while more := {
        name for name, text in views.items() if name not in late and any(x in text for x in late)
    }:
        late |= more
    seen = set()
    for address, (query, _) in RESOURCES.items():
        answer = served.get(f"/api/v1/{address.format(run=run)}")
        is_late = any(name in query for name in late)
        assert ("etag" in answer.headers) is not is_late, address
        seen.add(is_late)
    for address in one_address_of_each_page(sample):
        answer = served.get(f"/api/pages{address}")
        body = answer.json()
        is_late = "answered_at" in body or any(
            name in text for name in late for text in body["sql"].values()
        )
        assert ("etag" in answer.headers) is not is_late, address
        kept = answer.headers.get("etag", '"x"')
        again = served.get(f"/api/pages{address}", if_none_match=kept)
        assert again.status_code == (200 if is_late else 304)
        assert is_late is (answer.headers["cache-control"] == "no-store")
    assert seen == {True, False}


def one_address_of_each_page(sample: Warehouse) -> list[str]:
    """Return an address of each page with each number of names."""
    connection = open_published(sample.file)
    try:
        confine(connection)
        kinds: dict[tuple[str, int], str] = {}
        for address in addresses(connection):
            kinds.setdefault((address.split("/")[1], address.count("/")), address)
    finally:
        connection.close()
    return list(kinds.values())


@pytest.mark.parametrize(
    ("address", "status", "detail", "remedy"),
    [
        ("bars/APPL/1d", 404, "there is no symbol 'APPL'; did you mean 'AAPL'?", "/api/v1/symbols"),
        ("bars/AAPL/2d", 404, "there is no timeframe '2d' of AAPL", "1m, 5m, 15m, 30m, 1h, 1d, 1w"),
        ("bars/AAPL/1d?snice=2010-01-01", 422, "did you mean 'since'?", "since, until, limit"),
        ("bars/AAPL/1d?since=2010", 422, "since is not usable", "openapi"),
        ("bars/AAPL/1d?since=2010-02-30", 400, "'2010-02-30' is not a date", ""),
        ("bars/AAPL/1d?since=2010-05-28&until=2010-05-03", 400, "is before", ""),
        ("bars/AAPL/1d?limit=0", 422, "limit is not usable", "openapi"),
        ("bars/AAPL/1d?limit=1&limit=2", 422, "the parameter limit is given twice", "once"),
        ("indicators/AAPL/1d/rsii", 404, "did you mean 'rsi'?", "/api/v1/indicators"),
        ("indicators/AAPL/1d/rsi?periods=1,2", 400, "the periods of rsi are 1 as in [14]", ""),
        ("indicators/AAPL/1d/rsi?periods=9999", 400, "9999 is not a number of bars", "give 1 to"),
        ("scans/crp?session=2010-05-29&cutoff=09:50&preset=standard", 400, "nearest", ""),
        ("scans/crp?session=2010-05-28&cutoff=99:50&preset=standard", 400, "time of day", ""),
        ("scans/crp?session=2010-05-28&cutoff=03:00&preset=standard", 400, "", ""),
        ("scans/crp?session=2010-05-28&cutoff=09:50&preset=standrad", 404, "'standard'?", ""),
        ("scans/crp", 422, "session is not usable: Field required", "openapi"),
        ("backtests/none/trades", 404, "there is no run 'none'", "/api/v1/backtests"),
        ("signals?symbol=APPL", 404, "did you mean 'AAPL'?", "/api/v1/symbols"),
        ("backtests?preset=standrad", 404, "did you mean 'standard'?", ""),
        ("backtests?setting=us_fixd", 404, "did you mean 'us_fixed'?", ""),
        ("backtests?scanner=crb", 404, "did you mean 'crp'?", ""),
        ("portfolios/equal_20/equityy", 404, "did you mean 'equity'?", ""),
        ("portfolios/equal_20/drawdowns?since=2010-01-01", 422, "no range of sessions", "omit"),
        ("portfolios/equal_21/returns", 404, "did you mean 'equal_20'?", "sixty_forty_tech"),
        ("var/equal_20?confidence=99", 422, "confidence is not usable", ""),
        ("var/equal_20?confidence=0.98", 404, "VaR with confidence 0.98", ""),
        ("var/equal_20?confidence=nan", 422, "confidence is not usable", ""),
        ("quality/rejectd", 404, "did you mean 'rejected'?", ""),
        ("tables/bars.olhcv", 404, "did you mean 'bars.ohlcv'?", "/api/v1/tables"),
        ("nothing", 404, "there is no such address", "openapi"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_remedy(
    served: Served, address: str, status: int, detail: str, remedy: str
) -> None:
    answer = served.get(f"/api/v1/{address}")
    found = answer.json()
    assert (answer.status_code, found["status"]) == (status, status), found
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in found["detail"]
    assert remedy in found["remedy"]
    assert "market." not in answer.text


def test_every_page_is_served_as_the_report_has_it(served: Served, sample: Warehouse) -> None:
    connection = open_published(sample.file)
    try:
        confine(connection)
        for address in one_address_of_each_page(sample):
            served_body = served.get(f"/api/pages{address}").json()
            held = json.loads(json.dumps(page_answer(connection, address)))
            for body in (served_body, held):
                body.pop("answered_at", None)
            assert served_body == held, address
            assert held["sql"], address
    finally:
        connection.close()
    assert served.get("/api/pages/symbols/APPL").status_code == 404
    assert served.get("/api/pages/symbols/AAPL?nothing=1").status_code == 404


def test_the_client_reads_frames_over_pages(served: Served) -> None:
    with served.client() as client:
        frame = client.frame("bars", "AAPL", "1d", since="2010-05-03", until="2010-05-28")
        assert (frame.height, frame["close"][-1]) == (20, 256.88)
        assert client.frame("bars", "AAPL", "1m").height == 15_990
        assert client.frame("bars", "AAPL", "1m", limit=7).height == 7
        assert client.rows("symbols", search="apple")[0]["symbol"] == "AAPL"
        trades = client.frame("backtests", client.rows("backtests")[0]["run_id"], "trades")
        assert isinstance(trades["net_pnl_amount"][0], Decimal)
        assert client.page("/meta")["symbols"]
        with pytest.raises(ServerRefused, match="did you mean 'AAPL'") as refused:
            client.frame("bars", "APPL", "1d")
        assert refused.value.status == 404
        with pytest.raises(ServerRefused, match="there is no symbol 'A/B c%'"):
            client.frame("bars", "A/B c%", "1d")
    with (
        served.client("none") as client,
        pytest.raises(ServerRefused, match="a token is required"),
    ):
        client.rows("symbols")


NAMES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["' or 1=1 --", "'; drop table bars.ohlcv; --", "../../etc/passwd", "a" * 300, "%00",
         "AAPL\x00", "\u202e", "${x}", "{{7*7}}", "*", "AAPL'", "-1", "nan", "1e999", "\ud7ff"]
    ),
)  # fmt: skip
PATHS = (
    "bars/{}/1d", "bars/AAPL/{}", "indicators/AAPL/1d/{}", "scans/{}", "backtests/{}/trades",
    "portfolios/{}/returns", "portfolios/equal_20/{}", "var/{}", "quality/{}", "tables/{}",
    "symbols/{}", "{}", "pages/{}",
)  # fmt: skip
QUERIES = (
    "symbols?search={}", "signals?scanner={}", "signals?symbol={}", "signals?since={}",
    "bars/AAPL/1d?cursor={}", "bars/AAPL/1d?limit={}", "bars/AAPL/1d?order={}",
    "indicators/AAPL/1d/rsi?periods={}", "var/equal_20?lookback={}", "var/equal_20?horizon={}",
    "var/equal_20?method={}", "backtests?setting={}", "portfolios/equal_20/performance?until={}",
    "scans/crp?session=2010-05-28&cutoff={}&preset=standard", "scanners?{}=1",
    "scans/crp?session={}&cutoff=09:50&preset=standard",
    "pages/symbols/AAPL/1d?points={}", "pages/symbols/AAPL/1d?from={}", "pages/meta?date={}",
    "pages/symbols/AAPL/1d?to={}", "pages/symbols/AAPL/5m?date={}", "pages/overview?scanner={}",
    "pages/symbols/AAPL/1d?{}=1", "pages/symbols/AAPL/{}", "pages/backtests/{}", "pages/risk/{}",
    "pages/overview?date={}", "pages/symbols/{}?scanner=crp", "pages/portfolios/{}",
)  # fmt: skip
NUMBERS = (
    "bars/AAPL/1d?limit={}", "indicators/AAPL/1d/rsi?periods={}", "var/equal_20?lookback={}",
    "var/equal_20?horizon={}", "pages/symbols/AAPL/1d?points={}",
)  # fmt: skip


@settings(max_examples=60)
@given(
    st.sampled_from(NUMBERS),
    st.one_of(
        st.integers(-(10**30), 10**30).map(str),
        st.builds("{}{}".format, st.sampled_from(["0", "00000000", "+", " ", "-"]), st.integers(1)),
        st.sampled_from(["1e9", "0x10", "1_000", "\u0661", "9" * 3_000, "\u00b2", "0" * 3_000]),
    ),
)
def test_no_number_is_beyond_its_bounds(served: Served, address: str, number: str) -> None:
    answer = served.get(
        f"/api/v1/{address.format(quote(number, safe=''))}".replace("v1/pages", "pages")
    )
    assert answer.status_code in (200, 400, 404, 422), (address, number, answer.text)
    if "points" in address and answer.status_code == 200:
        assert 1 <= int(number) <= 20_000
        assert len(answer.json()["columns"]["minute"]) <= int(number)


@settings(max_examples=200)
@given(st.sampled_from((*PATHS, *QUERIES)), NAMES)
def test_no_name_breaks_the_contract(served: Served, address: str, name: str) -> None:
    answer = served.get(
        f"/api/v1/{address.format(quote(name, safe=''))}".replace("v1/pages", "pages")
    )
    assert answer.status_code in (200, 400, 404, 414, 422), (address, name, answer.text)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"detail", "remedy", "status", "title", "type"} == set(json.loads(answer.content))
        assert "\n" not in answer.json()["detail"]
