"""Readers go through a swap of publications; what one may use is bounded."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import structlog

from duckbourse.api import Bounds
from duckbourse.api.formats import Encoded, encode
from duckbourse.api.others import Others, Query
from duckbourse.api.problems import Refused
from duckbourse.api.reader import Reader
from duckbourse.client import ServerRefused
from duckbourse.errors import BourseError, PublicationError
from duckbourse.market import Market
from duckbourse.warehouse import Limits
from tests.support.serving import COMMAND, READ, Served, serving
from tests.support.waiting import wait_until
from tests.unit.market.test_publications import published

pytestmark = pytest.mark.some_day
LIMITS = Limits("200MB", 1)
READERS = 50
ENDLESS = "select count(*) from range(10_000_000) as one, range(10_000_000) as other"


def test_a_query_ends_on_the_publication_on_which_it_began(tmp_path: Path) -> None:
    reader = Reader(published(tmp_path, 1), LIMITS)
    with reader.market() as former:
        published(tmp_path, 2)
        with reader.market() as newer:
            assert newer.sql("from bars.twin").fetchall() == [(2,)]
        assert former.sql("from bars.twin").fetchall() == [(1,)]
        assert reader.build_id == "b2"

    def is_closed() -> bool:
        try:
            former.sql("from bars.twin")
        except BourseError as error:
            return "closed" in str(error)
        return False

    # it is closed with its last query, by a thread
    wait_until(is_closed)
    reader.close()


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    path = published(tmp_path, 1)
    reader = Reader(path, LIMITS)
    with structlog.testing.capture_logs() as logged:
        for spoil in (lambda: path.unlink(), lambda: path.write_bytes(b"no database")):
            spoil()
            for _ in range(3):
                with reader.market() as market:
                    assert market.sql("from bars.twin").fetchall() == [(1,)]
    assert [each["event"] for each in logged] == ["the publication that is open goes on"] * 2
    published(tmp_path, 3)
    assert reader.build_id == "b3"
    reader.close()
    with pytest.raises(PublicationError, match="nothing has been published"):
        Reader(tmp_path / "nothing.duckdb", LIMITS)


def test_a_publication_that_duckdb_gave_up_is_opened_again(tmp_path: Path) -> None:
    reader = Reader(published(tmp_path, 1), LIMITS)
    broken = reader._shared
    for error in (duckdb.FatalException, duckdb.InternalException):
        with pytest.raises(error), reader.market():
            raise error("the database has been invalidated")
        with reader.market() as market:
            assert market.sql("from bars.twin").fetchall() == [(1,)]
        assert reader._shared is not broken
        broken = reader._shared
    # what fails by itself leaves it open
    with pytest.raises(duckdb.BinderException), reader.market():
        raise duckdb.BinderException("no")
    with reader.market():
        assert reader._shared is broken
    reader.close()


EMPTY = "create schema serving; create table serving.publication as "
FILES: dict[str, str | bytes | None] = {
    "garbage": b"no database",
    "cut": None,
    "no_publication": "create table one as select 1 as one",
    "no_row": f"{EMPTY} select 'b' as build_id limit 0",
    "two_rows": f"{EMPTY} select 'b' || range as build_id from range(2)",
    "no_build": f"{EMPTY} select 1 as contract_version",
    "newer": f"{EMPTY} select 'b' as build_id, 99 as contract_version",
}


def replaced(path: Path, content: str | bytes | None) -> None:
    """Put another file in the place of a publication: SQL that makes it, bytes, or half of it."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    match content:
        case None:
            draft.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        case bytes():
            draft.write_bytes(content)
        case str():
            with duckdb.connect(str(draft)) as connection:
                connection.execute(content)
    draft.rename(path)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_no_file_breaks_the_publication_that_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes | None
) -> None:
    path = published(tmp_path, 1)
    opened = []

    def market(*options: object) -> Market:
        opened.append(path)
        return Market(*options)  # type: ignore[arg-type]

    monkeypatch.setattr("duckbourse.api.reader.Market", market)
    monkeypatch.setattr("duckbourse.api.reader.AGAIN_SECONDS", 1_000)
    with serving(path) as found:
        before = len(opened)
        replaced(path, content)
        for _ in range(3):
            answer = found.get("/api/v1/publication")
            assert (answer.status_code, answer.headers["x-build-id"]) == (200, "b1"), answer.text
            tag = answer.headers["etag"]
            for given in (tag, f"W/{tag}", f'"other", W/{tag}'):
                answer = found.get("/api/v1/publication", if_none_match=given)
                assert answer.status_code == 304
        assert len(opened) == before + 1
        published(tmp_path, 2)
        assert found.get("/api/v1/publication").headers["x-build-id"] == "b2"


def test_what_is_read_from_a_damaged_or_another_file_is_unavailable(tmp_path: Path) -> None:
    path = published(tmp_path, 1)
    other = f"{EMPTY} select 'b9' as build_id; create table serving.latest_bars as select 1 as one"
    with serving(path) as found:
        replaced(path, other)
        for address in ("symbols", "symbols/AAPL", "bars/AAPL/1d", "pages/meta"):
            answer = found.get(f"/api/v1/{address}".replace("v1/pages", "pages"))
            assert answer.status_code in (404, 503), answer.text
            assert "bourse build" in answer.json()["remedy"]
            assert str(tmp_path) not in answer.text
        many = "create table serving.publication as select 'b' as build_id;"
        many += "create schema bars; create table bars.missing as select md5(range::varchar) "
        many += "as symbol, range as timeframe, range as session_date from range(500_000)"
        replaced(path, f"create schema serving; {many}")
        assert found.get("/api/v1/publication").headers["x-build-id"] == "b"
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(20_000)
            file.write(b"\x55" * (size - 40_000))
        answer = found.get("/api/v1/quality/missing")
        assert answer.status_code == 503, answer.text
        assert "cannot be read" in answer.json()["detail"]
        assert str(tmp_path) not in answer.text
        published(tmp_path, 3)
        assert found.get("/api/v1/publication").headers["x-build-id"] == "b3"


def test_readers_go_on_while_a_newer_publication_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(published(tmp_path, 1), LIMITS)
    is_opening, may_open = threading.Event(), threading.Event()

    def slow(*options: object) -> Market:
        is_opening.set()
        assert may_open.wait(30)
        return Market(*options)  # type: ignore[arg-type]

    monkeypatch.setattr("duckbourse.api.reader.Market", slow)
    published(tmp_path, 2)
    with ThreadPoolExecutor(1) as pool:
        newer = pool.submit(lambda: reader.build_id)
        assert is_opening.wait(30)
        assert reader.build_id == "b1"
        with reader.market() as market:
            assert market.sql("from bars.twin").fetchall() == [(1,)]
        may_open.set()
        assert newer.result() == "b2"
    reader.close()


def test_nobody_waits_for_a_former_publication_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(published(tmp_path, 1), LIMITS)
    with reader.market():
        pass
    may_close, is_closing = threading.Event(), threading.Event()
    close = Market.close

    def slow(market: Market) -> None:
        is_closing.set()
        assert may_close.wait(30)
        close(market)

    with monkeypatch.context() as patched:
        patched.setattr(Market, "close", slow)
        published(tmp_path, 2)
        with reader.market() as market:
            assert market.sql("from bars.twin").fetchall() == [(2,)]
        assert is_closing.wait(30)
        assert reader.build_id == "b2"
        may_close.set()
    reader.close()


def test_the_same_request_is_asked_of_the_file_once_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(*options: Any, **others: Any) -> Encoded:
        nonlocal count
        count += 1
        return encode(*options, **others)

    monkeypatch.setattr("duckbourse.api.asking.encode", counted)
    address = "/api/v1/publication"
    with serving(published(tmp_path, 1)) as found, ThreadPoolExecutor(20) as pool:
        for generation in (1, 2):
            published(tmp_path, generation)
            # one opens it, and meanwhile others go on with the former one
            assert found.get("/api/v1/scanners").status_code == 503
            answers = [
                each.result() for each in [pool.submit(found.get, address) for _ in range(40)]
            ]
            assert {each.headers["x-build-id"] for each in answers} == {f"b{generation}"}
            assert {each.json()["rows"][0]["build_id"] for each in answers} == {f"b{generation}"}
            assert {each.headers["x-row-count"] for each in answers} == {"1"}
            assert count == generation
        # what is refused is not kept
        for _ in range(2):
            assert found.get("/api/v1/quality/missing").status_code == 503
    bounds = Bounds(kept_bytes=5_000, requests_per_second=1_000)
    with serving(found.published, bounds=bounds) as found:
        count = 0
        for number in range(1, 60):
            assert found.get(f"/api/v1/tables?limit={number}").status_code == 200
        server = found.app.state.server
        kept = [len(each.content) for each in server._answers.values()]
        assert 0 < sum(kept) == server._kept_bytes <= 5_000
        assert count == 59
        assert not server._at_work


def test_a_newer_publication_is_served_with_the_answers_that_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(published(tmp_path, 1)) as found:
        server = found.app.state.server
        missing = found.get("/api/v1/scanners").status_code
        tag = found.get("/api/v1/tables?limit=2").headers["etag"]
        assert found.get("/api/v1/tables?limit=2", if_none_match=tag).status_code == 304
        for _ in range(2):
            assert found.get("/api/v1/publication").status_code == 200
        assert found.get("/api/v1/tables?limit=3").status_code == 200
        published(tmp_path, 2)
        assert server.reader.build_id == "b2"

        def refuse(*_: object) -> None:
            raise AssertionError("the file was asked")

        with monkeypatch.context() as patched:
            patched.setattr("duckbourse.api.asking.encode", refuse)
            [row] = found.get("/api/v1/publication").json()["rows"]
            assert row["build_id"] == "b2"
            assert found.get("/api/v1/tables?limit=2").headers["x-build-id"] == "b2"
            # what was asked for once is not
            assert found.get("/api/v1/tables?limit=3").status_code == 500
        # what failed is asked again
        assert found.get("/api/v1/scanners").status_code == missing == 503
        # what is still not prepared after a while is left to those who ask
        monkeypatch.setattr("duckbourse.api.asking.PREPARE_SECONDS", 0)
        published(tmp_path, 3)
        assert found.get("/api/v1/publication").json()["rows"][0]["build_id"] == "b3"


def test_fifty_readers_go_through_swaps_without_an_error(tmp_path: Path) -> None:
    """As many as the usual rate takes from one address, and others that follow the events."""
    seen: set[str] = set()
    is_over = threading.Event()
    bounds = Bounds()
    pause = 2 * READERS / bounds.requests_per_second
    with serving(published(tmp_path, 1), bounds=bounds) as found:

        def read(number: int) -> int:
            count = 0
            address = ("/api/v1/publication", "/api/v1/tables?limit=2")[number % 2]
            headers = {"authorization": f"Bearer {READ}"}
            with httpx.Client(base_url=found.root, headers=headers, timeout=60) as http:
                while not is_over.wait(pause * random.random() * 2):
                    answer = http.get(address)
                    assert answer.status_code == 200, answer.text
                    rows = answer.json()["rows"]
                    assert rows
                    seen.add(answer.headers["x-build-id"])
                    if number % 2 == 0:
                        assert rows[0]["build_id"] == answer.headers["x-build-id"]
                    count += 1
            return count

        def follow() -> None:
            with found.client() as client:
                for _, data in client.events():
                    if data.get("build_id") == "b5":
                        return

        with ThreadPoolExecutor(READERS + 5) as pool:
            followers = [pool.submit(follow) for _ in range(5)]
            readers = [pool.submit(read, number) for number in range(READERS)]
            try:
                while found.app.state.watch.client_count < 5:
                    threading.Event().wait(0.01)
                for generation in range(2, 6):
                    published(tmp_path, generation)
                    while f"b{generation}" not in seen and not any(each.done() for each in readers):
                        threading.Event().wait(0.01)
            finally:
                is_over.set()
            counts = [each.result() for each in readers]
            for follower in followers:
                follower.result(60)
    assert all(counts)
    assert {"b2", "b5"} <= seen


def test_a_query_of_others_is_bounded(tmp_path: Path) -> None:
    bounds = Bounds(seconds=0.2, memory="400MB", threads=1, requests_per_second=1_000, rows=10)
    with serving(published(tmp_path, 1), bounds=bounds, allow_sql=True) as found:

        def asked(query: str, **body: object) -> httpx.Response:
            return found.http.post("/api/v1/sql", json={"query": query, **body})

        answer = asked(ENDLESS)
        assert answer.status_code == 503
        assert answer.json()["detail"] == "it took more than 0.2 s"
        answer = asked("select list(range) from range(40_000_000)")
        assert answer.status_code == 503
        answer = asked("from range(100)", limit=1_000)
        assert len(answer.json()["rows"]) == 10
        assert (answer.headers["x-row-count"], answer.headers["x-has-more"]) == ("10", "true")
        assert asked("from range(10)", limit=10).headers["x-has-more"] == "false"
        with found.client() as client, pytest.raises(ServerRefused, match="more than 10 rows"):
            client.sql("from range(11)")
        assert asked("from range($n::int)", values={"n": 3}).json()["rows"][-1] == {"range": 2}
        for query in (
            "from read_text('/etc/hostname')",
            "copy (select 1) to '/tmp/never.csv'",
            "set memory_limit = '9GB'",
            "attach '/tmp/never.duckdb'",
            "detach duckbourse",
            "create table main.t as select 1",
            "select 1; select 2",
            "",
            "select",
            "from nothing",
            # refused, or failing, only when its rows are asked for
            "from duckdb_secrets()",
            "select error('no')",
            "select 'x'::int",
            # of two columns of one name, one would have the values of the other
            "select 1 as one, 2 as one",
            "select 1 as one, 2 as ONE",
            "from duckdb_extensions()",
            "from sniff_csv('/etc/passwd')",
        ):
            answer = asked(query)
            assert answer.status_code == 400, query
            assert answer.json()["detail"]
        for body in ("[" * 30_000, "{", '{"query": 1}', '{"query": "", "more": 1}', "\xff"):
            json = {"content-type": "application/json"}
            answer = found.http.post("/api/v1/sql", content=body.encode("latin-1"), headers=json)
            assert answer.status_code == 422, body[:20]
        assert found.http.post("/api/v1/sql", content=b"{}").status_code == 415
        # and it goes on
        assert asked("from bars.twin").json()["rows"] == [{"generation": 1}]
        assert found.get("/api/v1/publication").status_code == 200
    with serving(found.published) as closed:
        answer = closed.http.post("/api/v1/sql", json={"query": "select 1"})
        assert answer.status_code in (404, 405)


# the others are of their kinds
BRIEF = ("list", "length", "join")


def bombs() -> dict[str, str]:
    """Return queries that DuckDB's own limits of memory and time do not hold."""
    doubled = ", ".join(f"t{n + 1} as (select a.* from t{n} a, t{n} b)" for n in range(24))
    ones = ", ".join(f"(select {n} as one{n})" for n in range(800))
    columns = ", ".join(f"range c{n}" for n in range(4_000))
    return {
        "list": "select range(0, 1000000000)",
        "length": "select length(lpad('x', 2000000000, 'y'))",
        "text": "select repeat('x', 3000000000)",
        "plan": f"with t0 as (select * from range(2)), {doubled} select count(*) from t24",
        "join": f"select count(*) from {ones}",
        "columns": f"select {columns} from range(1000000)",
    }


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    bounds = Bounds(seconds=1, memory="100MB", threads=1, requests_per_second=1_000)
    path = published(tmp_path_factory.mktemp("narrow"), 1)
    with serving(path, bounds=bounds, allow_sql=True) as found:
        yield found


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits the data of a process")
@pytest.mark.parametrize(
    "query",
    [
        pytest.param(query, id=name, marks=() if name in BRIEF else pytest.mark.long)
        for name, query in bombs().items()
    ],
)
def test_no_query_of_others_takes_more_than_it_may(narrow: Served, query: str) -> None:
    def asked(query: str) -> httpx.Response:
        return narrow.http.post("/api/v1/sql", json={"query": query})

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with ThreadPoolExecutor(1) as pool:
        bomb = pool.submit(asked, query)
        # other queries have a process of their own
        while not bomb.done():
            answer = asked("from bars.twin")
            assert (answer.status_code, answer.json()["rows"]) == (200, [{"generation": 1}])
    assert bomb.result().status_code == 503, bomb.result().text
    problem = bomb.result().json()
    assert problem["detail"].startswith(("it took more than 1 s", "it needs more memory than"))
    assert problem["remedy"] == "ask for less"
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # in kilobytes: 100 MB for two, what is outside of it, and Python with its packages
    assert after <= max(before, 800_000)


def test_a_process_of_others_has_no_secret_and_is_replaced_when_it_ends(
    narrow: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOURSE_API_COMMAND_TOKEN", COMMAND)
    others = Others(narrow.published, Bounds(seconds=1, memory="1GB", threads=1))
    try:
        assert others.bounds.memory == "500MB"
        query = Query("from bars.twin", {}, 5)
        first = others.ask(query, "text/csv")
        assert (first.status, first.content) == (200, b"generation\r\n1\r\n")
        [process] = others._idle
        others.ask(query, "text/csv")
        others.ask(Query("from nothing"), "text/csv")
        if sys.platform == "linux":
            environment = Path(f"/proc/{process._process.pid}/environ").read_text()
            assert "PYTHONPATH" in environment
            assert COMMAND not in environment
        # it stays for the next one
        assert others._idle == [process]
        # one that was ended meanwhile is replaced
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.wait()
        assert others.ask(query, "text/csv") == first
        assert others._idle != [process]
        # and so is one whose query looks at no interrupt
        [process] = others._idle
        with pytest.raises(Refused, match=r"it took more than 1 s"):
            others.ask(Query(bombs()["length"]), "text/csv")
        assert process._process.returncode == -signal.SIGALRM
        assert others.ask(query, "text/csv") == first
    finally:
        others.close()
    assert not others._idle


def test_a_busy_server_says_so_and_goes_on(tmp_path: Path) -> None:
    bounds = Bounds(waiting=2, waiting_seconds=0.1, seconds=1, requests_per_second=1_000, threads=1)
    with (
        serving(published(tmp_path, 1), bounds=bounds, allow_sql=True) as found,
        ThreadPoolExecutor(8) as pool,
    ):
        sent = [
            pool.submit(found.http.post, "/api/v1/sql", json={"query": ENDLESS}) for _ in range(8)
        ]
        answers = [each.result() for each in sent]
        assert {each.status_code for each in answers} == {503}
        assert "the server is busy" in {each.json()["detail"] for each in answers}
        assert all("retry-after" in each.headers for each in answers)
        assert found.http.post("/api/v1/sql", json={"query": "select 1"}).status_code == 200


def test_no_more_requests_wait_than_may(tmp_path: Path) -> None:
    with serving(published(tmp_path, 1), bounds=Bounds(waiting=0)) as found:
        answer = found.get("/api/v1/publication")
        assert (answer.status_code, answer.json()["detail"]) == (503, "the server is busy")


def test_a_market_and_its_twin_are_apart(tmp_path: Path) -> None:
    with Market(published(tmp_path, 1), LIMITS) as market:
        twin = market.twin()
        assert twin.sql("from bars.twin").fetchall() == [(1,)]
        zone = "select current_setting('TimeZone'), current_setting('memory_limit')"
        assert twin.sql(zone).fetchall() == [("UTC", "190.7 MiB")]
        twin.close()
        assert market.sql("from bars.twin").fetchall() == [(1,)]
