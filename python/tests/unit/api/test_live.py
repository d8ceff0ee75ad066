"""The live session over HTTP: what the journal has, events, and commands that a loop obeys."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from duckbourse import clock
from duckbourse.api import Bounds
from duckbourse.api.live import Moment, Watch, _Seeds
from duckbourse.api.reader import Reader
from duckbourse.client import ServerRefused
from duckbourse.orders.events import LegsCrossed
from duckbourse.orders.journal import FILE as JOURNAL
from duckbourse.orders.journal import lock_folder, open_journal
from duckbourse.orders.order import Exits, Reason, Request, Side
from duckbourse.settings import settings
from duckbourse.telemetry.metrics import Metrics, MetricsServer
from duckbourse.trading import last_prices, requests
from duckbourse.trading.commands import Answer, Command
from duckbourse.trading.session_folder import SessionFolder, read, readable_sessions
from duckbourse.trading.strategy import Context, Strategy
from duckbourse.warehouse import Limits
from tests.support.factories import LIMITS
from tests.support.market import DAY, Market, at, instrument, signal, tick
from tests.support.serving import COMMAND, READ, Served, serving
from tests.unit.cli.test_requests import did, trading
from tests.unit.market.test_publications import published
from tests.unit.trading.test_by_hand import Leg
from tests.unit.trading.test_strategies import At, buy

pytestmark = pytest.mark.some_day


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with a publication."""
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOURSE_METRICS_TOKEN", "metrics-" + "m" * 30)
    settings.cache_clear()
    published(tmp_path, 1)
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def traded(
    data: Path,
    account: str = "test",
    broker: str = "paper",
    others: dict[str, Callable[[], Strategy]] | None = None,
) -> Path:
    """Trade a morning: A is bought and held, B is denied; return the account's folder."""
    folder = data / "trading" / account
    folder.mkdir(parents=True)
    market = Market(
        folder,
        instruments={name: instrument(name) for name in "AB"},
        signals=[signal("A"), signal("B", entry_price=Decimal(10_000), stop_price=Decimal(9_000))],
        others=others or {},
    )
    market.trade(
        [
            tick(at(9, 45), 100),
            tick(at(9, 46), 100, "B"),
            tick(at(9, 46), 100),
            tick(at(9, 47), 101),
        ],
        to_end=False,
    )
    described = SessionFolder(
        account=account,
        session_date=DAY,
        calendar="XNYS",
        zone_name="America/New_York",
        capital_amount=market.limits.capital_amount,
        broker=broker,
    )
    (folder / "session.json").write_bytes(msgspec.json.encode(described))
    # whether the loop had the time to write them is chance
    (folder / last_prices.FILE).unlink(missing_ok=True)
    return folder


@contextmanager
def served(data: Path, **options: Any) -> Iterator[Served]:
    with serving(data / "duckbourse.duckdb", **options) as found:
        yield found


def test_the_page_live_shows_the_journal(data: Path) -> None:
    traded(data)
    with served(data) as found:
        page = found.get("/api/pages/live").json()
        assert (page["mock"], page["account"]["account"]) == (False, "test")
        assert page["account"]["is_paper"] is True
        assert page["loop"]["state"] == "stopped"
        [held] = page["positions"]
        assert (held["symbol"], held["quantity"] > 0, held["stop"]) == ("A", True, 98.0)
        assert held["target"] == 110.0
        states = {order["symbol"]: order for order in page["orders"]}
        assert states["A"]["state"] == "FILLED"
        steps = [step["state"] for step in states["A"]["path"]]
        assert steps[:2] == ["CREATED", "SUBMITTED"]
        assert steps[-1] == "FILLED"
        assert page["pnl"]["at"] == sorted(page["pnl"]["at"])
        assert len(page["pnl"]["at"]) == len(page["pnl"]["value"]) > 0
        assert page["log"][0]["at"] >= page["log"][-1]["at"]
        assert {"FillBooked", "OrderIntended"} <= {row["kind"] for row in page["log"]}
        assert {row["symbol"]: row["is_held"] for row in page["feed"]} == {"A": True}
        assert states["B"]["state"] == "DENIED"
        assert states["B"]["path"][-1]["state"] == "DENIED"
        entry = states["A"]
        assert (entry["reason"], entry["why"]) == ("entry", entry["strategy"])
        assert entry["signal"] not in ("", None, entry["why"])
        assert (held["last"], held["age_ms"]) == (None, None)
        assert page["account"]["unrealized"] is None
        orders = found.get("/api/v1/live/orders").json()["rows"]
        assert [order["id"] for order in orders] == [order["id"] for order in page["orders"]]
        # exact in the API, and a number on the page
        account = found.get("/api/v1/live/account").json()
        assert Decimal(account["cash"]) == Decimal(str(page["account"]["cash"]))
        assert found.get("/api/v1/live/positions").json()["rows"][0]["average"] == "100.00"
        assert found.get("/api/v1/live/log").json()["rows"]
        assert found.get("/api/v1/live/orders?x=1").status_code == 422


def test_before_any_session_live_says_how_to_begin_one(data: Path) -> None:
    with served(data) as found:
        problem = found.get("/api/pages/live").json()
        assert problem["detail"] == "Nothing has been traded yet"
        assert problem["remedy"] == "`./bourse trade` begins a session"


def test_last_prices_beside_the_journal_value_what_is_held(data: Path) -> None:
    folder = traded(data)
    lock = lock_folder(folder)
    try:
        with served(data) as found:
            pages = []
            for minute, price in ((50, 103), (51, 101), (51, 102)):
                last_prices.write(
                    folder, DAY, ["A", "C"], {"A": (Decimal(price), at(9, minute, 30))}
                )
                pages.append(found.get("/api/pages/live").json())
            page = pages[-1]
            [held] = page["positions"]
            gain = 2 * held["quantity"]
            assert (held["last"], held["average"]) == (102, 100)
            assert page["account"]["unrealized"] == gain
            assert page["account"]["equity"] == 100_000 + gain - page["account"]["charges"]
            assert page["account"]["day_pnl"] == page["pnl"]["value"][-1]
            # in time order, one point a time, the newest of it; what was seen before is kept
            times = page["pnl"]["at"]
            assert times == sorted(set(times))
            assert page["pnl"]["value"][-2] == pages[0]["account"]["day_pnl"]
            assert "at last prices" in page["pnl"]["basis"]
    finally:
        lock.close()


def test_the_clock_of_a_session_is_that_of_its_newest_event_or_price(data: Path) -> None:
    folder = traded(data)
    with served(data) as found:
        page = found.get("/api/pages/live").json()
        assert page["at"] == page["log"][0]["at"] == f"{DAY} 09:46:00"
        assert page["feed"][0]["value"] == "no silence reported"
        last_prices.write(folder, DAY, ["A"], {"A": (Decimal(101), at(9, 45, 30))})
        page = found.get("/api/pages/live").json()
        assert page["at"] == f"{DAY} 09:46:00"
        assert page["positions"][0]["age_ms"] == 30_000
        assert page["feed"][0]["value"] == "last price 30.0 s ago"
        last_prices.write(folder, DAY, ["A"], {"A": (Decimal(101), at(9, 50))})
        page = found.get("/api/pages/live").json()
        assert (page["at"], page["positions"][0]["age_ms"]) == (f"{DAY} 09:50:00", 0)
        # of another session, no price counts
        last_prices.write(folder, DAY + timedelta(1), ["A"], {"A": (Decimal(101), at(9, 50))})
        assert found.get("/api/pages/live").json()["positions"][0]["last"] is None


@pytest.mark.parametrize(("seconds", "state"), [(30, "good"), (60, "good"), (90, "warn")])
def test_a_price_is_late_beyond_the_longest_silence(data: Path, seconds: int, state: str) -> None:
    folder = traded(data)
    last_prices.write(
        folder, DAY, ["A"], {"A": (Decimal(101), at(9, 46) - timedelta(seconds=seconds))}
    )
    [session], _ = readable_sessions()
    [row] = Moment(session, None, []).feed(LIMITS)
    assert (row["symbol"], row["state"]) == ("A", state)


@pytest.mark.parametrize(
    ("side", "exits", "shown"),
    [
        # at 101, the best price of a long, a trail of 2 is at 99
        (Side.BUY, [(95, 2, 120), (97, None, 110)], (99, 110)),
        (Side.BUY, [(97, None, 110), (95, 10, 120)], (97, 110)),
        # and a short that was sold at 101
        (Side.SELL, [(105, 3, 80), (110, None, 90)], (104, 90)),
    ],
)
def test_the_stop_shown_is_the_one_that_closes_first(
    data: Path, side: Side, exits: list[tuple[int, int | None, int]], shown: tuple[int, int]
) -> None:
    """A trailing stop was shown where it had begun, and of several entries only the first."""

    def enter(number: int) -> Callable[[Context], Request]:
        stop, trail, target = exits[number]
        wanted = Exits(
            stop_price=Decimal(stop),
            trail_distance=None if trail is None else Decimal(trail),
            target_price=Decimal(target),
        )
        return lambda context: context.entry(f"e{number}", "A", side, 5, exits=wanted)

    # a sale waits for the purchase of the signal
    asked = at(9, 45) if side is Side.BUY else at(9, 46)
    entries = [(asked, enter(number)) for number in range(len(exits))]
    traded(data, others={"mine": lambda: At(*entries)})
    [session], _ = readable_sessions()
    rows = {row["strategy"]: row for row in Moment(session, None, []).positions()}
    assert (rows["mine"]["stop"], rows["mine"]["target"]) == shown


def test_what_closed_each_other_in_the_account_is_shown(data: Path) -> None:
    """It was never sent, so an order of it had no time and no path."""
    folder = traded(data, others={"short": lambda: Leg(Side.SELL, 50)})
    [session], _ = readable_sessions()
    sent = [
        Request(
            order_id=f"exit of {entry.request.strategy}",
            symbol="A",
            side=entry.request.side.other,
            quantity=50,
            product=entry.request.product,
            reason=Reason.BY_HAND,
            entry_id=entry.request.order_id,
            strategy=entry.request.strategy,
            correlation_id="one",
        )
        for entry in read(session)[0].held_entries()
    ]
    journal, _ = open_journal(folder)
    crossed = LegsCrossed(at=at(9, 50), requests=(sent[0], sent[1]), price=Decimal(101))
    journal.append(crossed)
    journal.close()
    moment = Moment(session, None, [])
    shown = {row["id"]: row for row in moment.orders()}["exit of short"]
    assert (shown["at"], shown["state"]) == (f"{DAY} 09:50:00", "FILLED")
    assert [step["state"] for step in shown["path"]] == ["FILLED"]
    logged = moment.log()[0]
    assert (logged["kind"], logged["symbol"], logged["quantity"]) == ("LegsCrossed", "A", 50)


def test_an_account_is_named_in_a_header_and_never_in_an_address(data: Path) -> None:
    traded(data)
    traded(data, "other", broker="zerodha")
    with served(data) as found:
        for name in ("test", "other"):
            page = found.get("/api/pages/live", x_bourse_account=name).json()
            assert page["account"]["account"] == name
            assert page["account"]["is_paper"] is (name == "test")
        assert {row["account"] for row in found.get("/api/v1/live").json()["rows"]} == {
            "test",
            "other",
        }
        for name in ("nobody", "../test", "", "x" * 101):
            answer = found.get("/api/pages/live", x_bourse_account=name)
            assert answer.status_code in (404, 422), name
            assert "nobody" not in answer.text


def test_last_prices_and_health_are_those_of_the_loop(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = traded(data)
    metrics = Metrics("test")
    metrics.set_gauge("equity_amount", 100_123.5)
    metrics.set_gauge("session_pnl_amount", 123.5)
    metrics.set_gauge("seconds_since_tick", 31)
    secret = settings().metrics_token
    assert secret is not None
    server = MetricsServer(metrics, lambda: ["it stands still"], 0, secret.get_secret_value())
    lock = lock_folder(folder)
    try:
        with served(data, metrics_port=server.port) as found:
            page = found.get("/api/pages/live").json()
            assert page["account"]["equity"] == 100_123.5
            assert page["pnl"]["value"][-1] == 123.5
            assert "at last prices since it is looked at" in page["pnl"]["basis"]
            assert page["loop"] == page["loop"] | {
                "is_running": True,
                "problems": ["it stands still"],
            }
            states = {row["name"]: row["state"] for row in page["health"]}
            assert (states["Last tick"], states["Problem"]) == ("bad", "bad")
            server.close()
            monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 0)
            page = found.get("/api/pages/live").json()
            assert page["loop"]["problems"] == ["the loop's metrics cannot be read"]
            assert "at last prices" not in page["pnl"]["basis"]
    finally:
        lock.close()


def test_metrics_are_of_one_account_and_of_a_loop_that_runs(data: Path) -> None:
    folders = {name: traded(data, name) for name in ("first", "second")}
    metrics = Metrics("second")
    metrics.set_gauge("equity_amount", 987_654.5)
    metrics.set_gauge("seconds_since_tick", 31)
    secret = settings().metrics_token
    assert secret is not None
    server = MetricsServer(metrics, lambda: ["it stands still"], 0, secret.get_secret_value())
    with served(data, metrics_port=server.port) as found:
        for running in (("first", "second"), ("first",), ()):
            locks = [lock_folder(folders[name]) for name in running]
            try:
                for name in folders:
                    page = found.get("/api/pages/live", x_bourse_account=name).json()
                    is_its_own = name == "second" and name in running
                    names = {row["name"] for row in page["health"]}
                    assert ("Last tick" in names) is is_its_own, (name, running)
                    assert page["loop"]["problems"] == (["it stands still"] if is_its_own else [])
                    assert (page["account"]["equity"] == 987_654.5) is is_its_own
                    if name == "first":
                        assert 887_654.5 not in page["pnl"]["value"]
            finally:
                for lock in locks:
                    lock.close()
    server.close()


def test_a_loop_that_hangs_is_seen(data: Path) -> None:
    folder = traded(data)
    lock = lock_folder(folder)
    try:
        with served(data) as found:
            for seconds, state in ((0, "good"), (8, "warn"), (31, "bad"), (86_400, "bad")):
                at = clock.now().timestamp() - seconds
                for file in folder.glob("*"):
                    if file.is_file():
                        os.utime(file, (at, at))
                page = found.get("/api/pages/live").json()
                [row] = [row for row in page["health"] if row["name"] == "Last write of the loop"]
                assert row["state"] == state
                assert ("hangs" in row["value"]) is (state == "bad")
                assert page["loop"]["is_silent"] is (state == "bad")
                assert seconds <= page["loop"]["written_seconds"] < seconds + 4
    finally:
        lock.close()
    with served(data) as found:
        page = found.get("/api/pages/live").json()
        assert "Last write of the loop" not in {row["name"] for row in page["health"]}
        assert page["loop"]["written_seconds"] is None


def test_many_who_look_share_one_look(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traded(data)
    counts = {"read": 0, "Watch._moment": 0}

    def counted(name: str, what: Callable[..., Any]) -> Callable[..., Any]:
        def count(*values: Any) -> Any:
            counts[name] += 1
            return what(*values)

        return count

    for name, what in (("read", read), ("Watch._moment", Watch._moment)):
        monkeypatch.setattr(f"duckbourse.api.live.{name}", counted(name, what))
    # on however slow a machine
    monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 3_600)
    with served(data) as found, ThreadPoolExecutor(20) as pool:
        addresses = ("pages/live", "v1/live/orders", "v1/live/positions", "v1/live/log")
        asked = [pool.submit(found.get, f"/api/{addresses[n % 4]}") for n in range(80)]
        assert {each.result().status_code for each in asked} == {200}
        assert counts == {"read": 1, "Watch._moment": 1}
        (data / "trading" / "test" / JOURNAL).touch()
        assert found.get("/api/v1/live/orders").status_code == 200
        assert counts == {"read": 2, "Watch._moment": 2}


def test_live_waits_for_no_query_but_its_first(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = traded(data)
    read_of: list[str] = []

    def counted(market: Any, session: SessionFolder, symbols: frozenset[str]) -> _Seeds:
        read_of.append(session.account)
        return _Seeds(currency="USD", symbols=symbols, is_whole=len(read_of) > 1)

    monkeypatch.setattr("duckbourse.api.live._seeds", counted)
    with served(data) as found:
        # what could not be read is read again, and then kept until the next publication
        for count in (1, 2, 2):
            assert found.get("/api/pages/live").json()["account"]["currency"] == "USD"
            assert len(read_of) == count
            (folder / JOURNAL).touch()
        published(data, 2)
        assert found.get("/api/pages/live").status_code == 200
        assert len(read_of) == 3


def test_a_loop_that_hangs_keeps_one_reader(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_folder(traded(data))
    monkeypatch.setattr("duckbourse.api.live.METRICS_SECONDS", 3_600)
    monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 0)
    is_asked, may_answer = threading.Event(), threading.Event()

    class Hung(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_asked.set()
            may_answer.wait()
            self.send_error(503)

    port = ThreadingHTTPServer(("127.0.0.1", 0), Hung)
    threading.Thread(target=port.serve_forever).start()
    try:
        with (
            served(data, metrics_port=port.server_port) as found,
            ThreadPoolExecutor(13) as pool,
        ):
            first = pool.submit(found.get, "/api/v1/live/orders")
            try:
                assert is_asked.wait(60)
                others = [pool.submit(found.get, "/api/v1/live/orders") for _ in range(12)]
                assert {each.result(60).status_code for each in others} == {200}
                assert not first.done()
            finally:
                may_answer.set()
            assert first.result(60).status_code == 200
            page = found.get("/api/pages/live").json()
            assert page["loop"]["problems"] == ["the loop's metrics cannot be read"]
    finally:
        port.shutdown()
        port.server_close()
        lock.close()


def test_a_port_that_is_down_is_a_problem_of_its_own_loop(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 0)
    secret = settings().metrics_token
    assert secret is not None
    metrics = Metrics("second")
    metrics.set_gauge("equity_amount", 1)
    server = MetricsServer(metrics, list, 0, secret.get_secret_value())
    locks = [lock_folder(traded(data, name)) for name in ("first", "second")]
    try:
        with served(data, metrics_port=server.port) as found:

            def problems(name: str) -> Any:
                return found.get("/api/pages/live", x_bourse_account=name).json()["loop"][
                    "problems"
                ]

            assert problems("first") == problems("second") == []
            server.close()
            assert problems("first") == []
            assert problems("second") == ["the loop's metrics cannot be read"]
    finally:
        for lock in locks:
            lock.close()


def test_one_damaged_account_stops_nothing_of_the_others(data: Path) -> None:
    folder = traded(data)
    secret = data / "trading" / "secret_one"
    secret.mkdir()
    (secret / "session.json").write_text("{")
    seen: list[tuple[str, Any]] = []
    with served(data) as found, found.client(COMMAND) as client:
        for address in ("pages/live", "v1/live", "v1/live/account", "v1/live/orders"):
            answer = found.get(f"/api/{address}")
            assert (answer.status_code, "secret_one" in answer.text) == (200, False)
        with trading(folder, lambda _: Answer(is_obeyed=True, message="done")):
            assert client.command("halt", "test")["is_obeyed"]
            assert client.command("close", "test", symbol="A")["is_obeyed"]
        headers = {"authorization": f"Bearer {COMMAND}", "x-bourse": "1"}
        for name in ("halt", "close"):
            body = {"account": "secret_one"} | ({"symbol": "A"} if name == "close" else {})
            answer = found.http.post(f"/api/live/{name}", json=body, headers=headers)
            assert (answer.status_code, "secret_one" in answer.text) == (404, False)
        answer = found.get("/api/pages/live", x_bourse_account="secret_one")
        assert (answer.status_code, "secret_one" in answer.text) == (409, False)
        # a name that nobody has is none of a damaged account
        for name in ("tset", "../secret_one"):
            assert found.get("/api/pages/live", x_bourse_account=name).status_code == 404
        # a journal that is damaged: no word of whose it is
        (folder / JOURNAL).write_bytes(b"no journal at all" * 100)
        for suffix in ("-wal", "-shm"):
            (folder / f"{JOURNAL}{suffix}").unlink(missing_ok=True)
        answer = found.get("/api/pages/live", x_bourse_account="test")
        assert answer.status_code == 409
        assert "test" not in answer.json()["detail"]
        body = {"account": "test"}
        answer = found.http.post("/api/live/resume", json=body, headers=headers)
        assert answer.status_code == 202, "it waits for a loop, and lifts no halt that nobody saw"
        assert str(data) not in answer.text
        for event in client.events():
            seen.append(event)
            if event[0] == "publication":
                break
            published(data, 2)
            (folder / JOURNAL).touch()


def test_the_watch_goes_on_after_a_look_that_failed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traded(data, "secret_one")
    monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 0.001)

    async def play() -> tuple[list[str], list[str]]:
        reader = Reader(data / "duckbourse.duckdb", Limits("100MB", 1))
        watch = Watch(reader, Bounds(), None)
        failing = RuntimeError("of secret_one")

        def fail() -> Any:
            raise failing

        task = asyncio.create_task(watch.run())
        problems = []
        kinds = []
        followed = watch.follow()
        await anext(followed)
        with monkeypatch.context() as broken:
            broken.setattr("duckbourse.api.live.readable_sessions", fail)
            while not watch.problem:
                await asyncio.sleep(0.001)
            problems.append(watch.problem)
            [session], _ = readable_sessions()
            # Live shows it
            assert [*watch.moment(session).reasons] == problems
            await asyncio.sleep(0.02)
        published(data, 2)
        while (part := await anext(followed)) and b'"b2"' not in part:
            pass
        kinds.append(part.decode())
        assert not watch.problem
        task.cancel()
        reader.close()
        return problems, kinds

    with structlog.testing.capture_logs() as logged:
        problems, kinds = asyncio.run(play())
    assert problems == ["the server cannot look for what changes: RuntimeError"]
    assert '"build_id": "b2"' in kinds[0]
    assert [each["event"] for each in logged] == ["what changes cannot be looked at"]
    assert "secret_one" not in str(logged)


def test_events_beat_while_a_loop_runs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = traded(data)
    monkeypatch.setattr("duckbourse.api.live.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("duckbourse.api.live.BEAT_SECONDS", 0.01)
    lock = lock_folder(folder)
    try:
        with served(data) as found, found.client() as client:
            beats = (event for event in client.events() if event[0] == "heartbeat")
            # nothing is written, and each beat comes
            assert [next(beats) for _ in range(3)] == [("heartbeat", {"loops": 1})] * 3
    finally:
        lock.close()


def test_close_is_of_one_strategy_where_several_hold_a_symbol(data: Path) -> None:
    folder = traded(data, others={"mine": lambda: At((at(9, 45), buy(10)))})
    obeyed = Answer(is_obeyed=True, message="done")
    with served(data) as found, found.client(COMMAND) as client:
        rows = [row for row in client.rows("live", "positions") if row["symbol"] == "A"]
        names = sorted(row["strategy"] for row in rows)
        assert len(names) == 2
        with trading(folder, lambda _: obeyed) as asked:
            with pytest.raises(
                ServerRefused, match=f"A is held by {' and by '.join(names)}:"
            ) as no:
                client.command("close", "test", symbol="A")
            assert (no.value.status, asked) == (409, [])
            assert client.command("close", "test", symbol="A", strategy="mine")["is_obeyed"]
        assert [(each.order.target, each.order.strategy) for each in asked if each.order] == [
            ("A", "mine")
        ]


def test_what_no_order_opened_is_closed_like_any_other(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = traded(data)

    def sent(holders: list[str], **named: str) -> Any:
        monkeypatch.setattr("duckbourse.api.live._holders", lambda *_: holders)
        with trading(folder, lambda _: Answer(is_obeyed=True, message="done")) as asked:
            client.command("close", "test", symbol="A", **named)
        return [each.order.strategy for each in asked if each.order]

    with served(data) as found, found.client(COMMAND) as client:
        assert sent([""]) == [None]
        assert sent(["", "crp.standard"], strategy="") == [""]
        with pytest.raises(ServerRefused, match=r"A is held by nobody and by crp\.standard:") as no:
            sent(["", "crp.standard"])
        assert '"" is what no order opened' in str(no.value.remedy)


def test_a_command_says_whether_the_loop_obeyed(data: Path) -> None:
    folder = traded(data)

    def answer(command: Command) -> Answer:
        is_obeyed = command.name != "resume"
        return Answer(is_obeyed=is_obeyed, message="done" if is_obeyed else "the book differs")

    with served(data) as found, found.client(COMMAND) as client:
        with trading(folder, answer) as asked:
            for name in ("halt", "square-off"):
                done = client.command(name, "test", reason="news at noon")
                assert (done["is_obeyed"], done["message"]) == (True, "done")
            with pytest.raises(ServerRefused, match="resume was refused: the book differs") as no:
                client.command("resume", "test")
            assert no.value.status == 409
            assert client.command("close", "test", symbol="A")["is_obeyed"]
        assert [command.name for command in asked] == ["halt", "square-off", "resume", "order"]
        assert asked[0].reason == "news at noon"
        assert asked[-1].order is not None
        assert (asked[-1].order.action, asked[-1].order.target) == ("close", "A")
        # without a loop, the next one obeys; but nothing is ordered
        done = client.command("halt", "test")
        assert (done["is_obeyed"], "the next one acts on it" in done["message"]) == (None, True)
        with pytest.raises(ServerRefused, match="no loop is trading the account: nothing"):
            client.command("close", "test", symbol="A")


def test_a_command_needs_the_name_of_the_account_as_it_is(data: Path) -> None:
    folder = traded(data)
    headers = {"authorization": f"Bearer {COMMAND}", "x-bourse": "1"}
    with served(data) as found, trading(folder, None) as asked:
        for body in (
            {},
            {"account": "Test"},
            {"account": ""},
            {"account": "test "},
            {"account": "../test"},
            {"account": None},
            {"account": "test", "all": True},
            {"account": "test", "symbol": "A"},
            ["test"],
        ):
            answer = found.http.post("/api/live/halt", json=body, headers=headers)
            assert answer.status_code in (404, 422), body
        assert (
            found.http.post(
                "/api/live/close", json={"account": "test"}, headers=headers
            ).status_code
            == 422
        )
        form = found.http.post("/api/live/halt", data={"account": "test"}, headers=headers)
        assert form.status_code == 415
        assert asked == []
    assert not [*(folder / "commands").glob("*.json")]


ACCOUNTS = st.sampled_from(["paper_one", "Paper_one", "paper_one\0", "../paper_one", ""])
TEXTS = st.text(st.characters(codec=None), max_size=300)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.one_of(
    # mostly of the right form, so that the loop has many of them
    st.fixed_dictionaries(
        {"account": ACCOUNTS},
        optional={
            "reason": TEXTS,
            "symbol": st.sampled_from(["A", "B", "../A", "\udc80", ""]) | TEXTS,
            "strategy": st.sampled_from(["crp.standard", "", "*"]) | TEXTS,
        },
    ),
    st.dictionaries(
        st.sampled_from(["account", "reason", "symbol", "strategy", "all"]) | TEXTS,
        ACCOUNTS | VALUES,
    ),
    VALUES,
).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)
TYPES = st.sampled_from(
    ["application/json"] * 6 + ["application/json; charset=utf-16", "text/plain"]
)


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_no_body_of_a_command_is_outside_the_contract(data: Path) -> None:
    """Whatever has the token: no error of ours, no account in an answer, no file but a command."""
    folder = traded(data, "paper_one")
    sent = Counter[int]()
    with served(data) as found, trading(folder, did) as asked:
        paths = found.get("/api/v1/openapi.json").json()["paths"]
        before = files_of(data)

        @hypothesis.settings(max_examples=150, deadline=None)
        @given(
            st.sampled_from(["halt", "resume", "square-off", "close"]),
            BODIES,
            TYPES,
        )
        def send(name: str, body: bytes, content_type: str) -> None:
            count = len(asked)
            answer = found.http.post(
                f"/api/live/{name}",
                content=body,
                headers={
                    "authorization": f"Bearer {COMMAND}",
                    "x-bourse": "1",
                    "content-type": content_type,
                },
            )
            described = paths[f"/api/live/{name}"]["post"]["responses"]
            assert str(answer.status_code) in described, answer.text
            assert answer.status_code < 500, answer.text
            assert len(asked) - count == answer.is_success
            sent[answer.status_code] += 1
            if answer.is_success:
                assert answer.json()["account"] == "paper_one"
            else:
                assert answer.headers["content-type"] == "application/problem+json"
                assert "paper_one" not in answer.text

        send()
        after = files_of(data)
        assert {path: after[path] for path in before} == before
        assert {path.parent.name for path in after.keys() - before.keys()} <= {"commands"}
    assert sent.keys() >= {200, 404, 415, 422}


def test_an_order_that_no_loop_takes_is_withdrawn(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = traded(data)
    for module in ("duckbourse.api.live", "duckbourse.trading.requests"):
        monkeypatch.setattr(f"{module}.LOOP_ANSWER_SECONDS", 0.05)
    assert requests.LOOP_ANSWER_SECONDS == 0.05
    lock = lock_folder(folder)
    try:
        with served(data) as found, found.client(COMMAND) as client:
            with pytest.raises(ServerRefused, match="it is withdrawn and will not be sent") as no:
                client.command("close", "test", symbol="A")
            assert "test" not in f"{no.value} {no.value.remedy}"
            assert not [*(folder / "commands").glob("*.json")]
    finally:
        lock.close()


def test_events_report_publications_and_what_loops_do(data: Path) -> None:
    folder = traded(data)
    seen: list[tuple[str, Any]] = []
    has_both = threading.Event()
    with served(data) as found:

        def follow() -> None:
            with found.client() as client:
                for event in client.events():
                    seen.append(event)
                    if {"publication", "live"} <= {kind for kind, _ in seen}:
                        has_both.set()

        thread = threading.Thread(target=follow)
        thread.start()
        generation = 1
        while not has_both.wait(0.5) and generation < 60:
            generation += 1
            published(data, generation)
            (folder / "journal.sqlite").touch()
        assert has_both.is_set()
    # the server ended, and with it the stream
    thread.join(10)
    assert not thread.is_alive()
    assert {key for kind, event in seen for key in event} == {"build_id", "accounts"}


def test_streams_are_bounded_and_have_heartbeats(data: Path) -> None:
    bounds = Bounds(streams=2, heartbeat_seconds=0.02, requests_per_second=1_000)
    headers = {"authorization": f"Bearer {READ}"}
    with served(data, bounds=bounds) as found:
        with (
            httpx.stream("GET", f"{found.root}/api/events", headers=headers) as one,
            httpx.stream("GET", f"{found.root}/api/events", headers=headers) as other,
        ):
            for stream in (one, other):
                assert stream.headers["content-type"].startswith("text/event-stream")
                assert stream.headers["cache-control"] == "no-store"
            lines = one.iter_lines()
            while next(lines) != ": still here":
                pass
            answer = found.get("/api/events")
            assert (answer.status_code, "2 clients follow" in answer.text) == (503, True)
        # a client that is gone leaves its place, at the latest with the next heartbeat
        for _ in range(500):
            if not found.app.state.watch.client_count:
                break
            threading.Event().wait(0.01)
        assert found.app.state.watch.client_count == 0


def test_a_client_that_does_not_read_is_dropped(data: Path) -> None:
    async def play() -> tuple[int, list[bytes]]:
        reader = Reader(data / "duckbourse.duckdb", Limits("100MB", 1))
        watch = Watch(reader, Bounds(), None)
        slow = watch.follow()
        for number in range(30):
            watch._report("publication", {"build_id": str(number)})
        count = watch.client_count
        parts = [part async for part in slow]
        reader.close()
        return count, parts

    count, parts = asyncio.run(play())
    assert count == 0
    # it ends: what was kept for it is bounded
    assert len(parts) == 20
