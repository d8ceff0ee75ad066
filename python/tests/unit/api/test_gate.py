"""Who may ask the API what: host, origin, token, sizes and rate, each refused with a sentence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import structlog

from duckbourse.api import Bounds, Tokens
from duckbourse.api.gate import HEADERS, Gate, names_of
from duckbourse.api.problems import Refused
from tests.support.serving import COMMAND, READ, Served, serving
from tests.support.waiting import wait_until
from tests.unit.market.test_publications import published

pytestmark = pytest.mark.some_day
ADDRESS = "/api/v1/publication"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("published")
    web = folder / "web"
    (web / "js").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>")
    (web / "js" / "app.js").write_text("export {};")
    with serving(published(folder, 1), front_end=web) as found:
        yield found


def test_a_token_is_always_required(served: Served) -> None:
    for given in ("", "Bearer", f"Bearer {READ}x", f"Bearer {READ[:-1]}", f"Basic {READ}", READ):
        for address in (ADDRESS, "/api/events", "/api/pages/meta", "/api/v1/openapi.json"):
            answer = served.get(address, authorization=given)
            assert answer.status_code == 401, (given, address)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["detail"] == "a token is required"
    twice = f"GET {ADDRESS} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n" + (
        f"Authorization: Bearer {READ}\r\n" * 2
    )
    assert b" 401 " in served.raw(f"{twice}Connection: close\r\n\r\n".encode())
    assert served.get(ADDRESS, authorization=f"bearer {READ}").status_code == 200
    assert served.get(ADDRESS, authorization=f"Bearer {COMMAND}").status_code == 200
    assert served.get(f"{ADDRESS}?token={READ}", authorization="").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost"])
def test_another_host_is_refused(served: Served, host: str) -> None:
    for address in (ADDRESS, "/"):
        answer = served.get(address, host=host)
        assert answer.status_code == 421
        assert "another name" in answer.text
    for name in ("127.0.0.1", "LOCALHOST"):
        assert served.get(ADDRESS, host=f"{name}:{served.port}").status_code == 200


def test_a_page_of_another_origin_is_refused(served: Served) -> None:
    for origin in (
        "https://evil.example",
        "null",
        f"http://localhost.evil:{served.port}",
        "http://",
    ):
        assert served.get(ADDRESS, origin=origin).status_code == 403, origin
    assert served.get(ADDRESS, origin=served.root).status_code == 200
    assert served.get(ADDRESS, sec_fetch_site="cross-site").status_code == 403
    answer = served.http.options(ADDRESS, headers={"origin": served.root})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_requests_that_are_too_large_are_refused(served: Served) -> None:
    assert served.get(f"{ADDRESS}/{'a' * 2_100}").status_code == 414
    assert served.get(f"{ADDRESS}?q={'a' * 4_100}").status_code == 414
    assert served.http.get(ADDRESS, headers={f"x-{n}": "1" for n in range(70)}).status_code == 431
    assert served.get(ADDRESS, x_long="a" * 16_100).status_code == 431
    command = {"authorization": f"Bearer {COMMAND}", "x-bourse": "1"}
    large = served.http.post("/api/live/halt", content=b"a" * 64_001, headers=command)
    assert large.status_code == 413
    chunked = served.http.post("/api/live/halt", content=iter([b"{", b"}"]), headers=command)
    assert chunked.status_code == 411
    assert served.http.request("GET", ADDRESS, content=b"{}").status_code == 400


@pytest.fixture
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass for the rate, however slow the machine is."""
    monkeypatch.setattr("duckbourse.api.gate.clock.elapsed_seconds", lambda: 1.0)


@pytest.mark.usefixtures("standing_clock")
def test_a_client_is_asked_to_slow_down(tmp_path: Path) -> None:
    with serving(published(tmp_path, 1), bounds=Bounds(requests_per_second=0.1)) as found:
        codes = [found.get("/api/v1/publication").status_code for _ in range(3)]
        answer = found.get("/")
    assert codes == [429, 429, 429]
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    with serving(published(tmp_path, 2), bounds=Bounds(requests_per_second=2)) as found:
        codes = [found.get("/api/v1/nothing").status_code for _ in range(12)]
    assert codes == [404] * 4 + [429] * 8


def test_a_client_that_asks_too_fast_is_answered_at_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that asked a little faster than it may got no answer at all, since refusals counted."""
    now = 0.0
    monkeypatch.setattr("duckbourse.api.gate.clock.elapsed_seconds", lambda: now)

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    gate = Gate(app, Bounds(requests_per_second=10), Tokens(READ, COMMAND), ["127.0.0.1:1"])
    answered = 0
    for number in range(4_000):  # 40 a second for 100 seconds
        now = number / 40
        try:
            gate._check_rate("somebody")
        except Refused:
            continue
        answered += 1
    assert 1_000 <= answered <= 1_020


@pytest.mark.usefixtures("standing_clock")
def test_no_reader_keeps_a_command_out(tmp_path: Path) -> None:
    command = {"authorization": f"Bearer {COMMAND}", "x-bourse": "1"}
    with serving(published(tmp_path, 1), bounds=Bounds(requests_per_second=2)) as found:
        codes = [found.get(address).status_code for address in ("/api/v1/x", "/") * 3]
        assert codes[4:] == [429, 429]
        for token in (COMMAND, READ):
            sent = command | {"authorization": f"Bearer {token}"}
            answer = found.http.post("/api/live/halt", json={"account": "a"}, headers=sent)
            # without the token, a command is a request like any other
            assert answer.status_code == (404 if token == COMMAND else 429)
        codes = [
            found.http.post("/api/live/halt", json={"account": "a"}, headers=command).status_code
            for _ in range(5)
        ]
        assert codes == [404] * 3 + [429] * 2


def test_a_page_elsewhere_spends_no_requests(tmp_path: Path) -> None:
    with serving(published(tmp_path, 1), bounds=Bounds(requests_per_second=2)) as found:
        for _ in range(12):
            assert found.get("/", sec_fetch_site="cross-site").status_code == 403
        followed = found.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
        assert followed.status_code == 200


def test_connections_beyond_half_of_the_files_are_ended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They took every file number, and each try for another one wrote a traceback."""
    monkeypatch.setattr("duckbourse.api.running.resource.getrlimit", lambda _: (6, 6))
    with serving(published(tmp_path, 1)) as found:
        place = "127.0.0.1", found.port
        idle = [socket.create_connection(place, timeout=30) for _ in range(3)]
        beyond = socket.create_connection(place, timeout=30)
        try:
            with suppress(ConnectionResetError):
                assert beyond.recv(1) == b""
            idle[0].close()
            wait_until(lambda: _is_answered(found))
        finally:
            for each in (*idle, beyond):
                each.close()


def _is_answered(found: Served) -> bool:
    try:
        return found.get(ADDRESS).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /api", b"GET / HTTP/1.1\r\nHost: a", b"POST /api/live/halt HTTP/1.1\r\n{}\r\n{{"],
)
def test_a_request_that_never_ends_is_ended(tmp_path: Path, sent: bytes) -> None:
    bounds = Bounds(head_seconds=0.1, body_seconds=0.1, requests_per_second=1_000)
    with serving(published(tmp_path, 1), bounds=bounds) as found:
        head = (
            f"Host: 127.0.0.1:{found.port}\r\nAuthorization: Bearer {COMMAND}\r\nX-Bourse: 1\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n"
        )
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as connection:
            connection.sendall(sent.replace(b"{}\r\n", f"{head}\r\n".encode()))
            answer = b""
            while part := connection.recv(1_000):
                answer += part
        # as h11 closes it, or with an answer
        assert answer == b"" or answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))
        # and one that takes its time between two requests goes on
        for _ in range(2):
            assert found.get(ADDRESS).status_code == 200
            threading.Event().wait(0.15)


def test_a_body_that_was_refused_keeps_no_connection(tmp_path: Path) -> None:
    """Each piece of it would begin the time of keeping alive again."""
    bounds = Bounds(head_seconds=1, requests_per_second=1_000)
    with serving(published(tmp_path, 1), bounds=bounds) as found:
        head = (
            f"POST /api/live/halt HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\n"
            f"Authorization: Bearer {READ}\r\nContent-Length: 50000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as connection:
            connection.sendall(head.encode())
            assert connection.recv(12) == b"HTTP/1.1 403"
            sent = 0
            with pytest.raises(OSError):  # a reset, or a broken pipe
                while sent < 1_000:
                    connection.sendall(b"x")
                    sent += 1
                    threading.Event().wait(0.02)


def test_a_body_has_one_deadline_however_it_arrives() -> None:
    answers: list[Any] = []

    async def play() -> int:
        pieces = 0

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["more_body"]:
                pass

        async def receive() -> Any:
            nonlocal pieces
            pieces += 1
            # each arrives well within the seconds, and the body never ends
            await anyio.sleep(0.02)
            return {"type": "http.request", "body": b"x", "more_body": pieces < 1_000}

        async def send(message: Any) -> None:
            answers.append(message)

        headers = {
            "host": "127.0.0.1:1",
            "authorization": f"Bearer {COMMAND}",
            "x-bourse": "1",
            "content-length": "1000",
        }
        gate = Gate(app, Bounds(body_seconds=0.2), Tokens(READ, COMMAND), ["127.0.0.1:1"])
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/live/halt",
            "raw_path": b"/api/live/halt",
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await gate(scope, receive, send)
        return pieces

    assert anyio.run(play) < 1_000
    assert answers[0]["status"] == 408


def test_a_server_is_known_by_the_names_that_browsers_send() -> None:
    assert {"127.0.0.1", "localhost", "127.0.0.1:80"} <= {*names_of("127.0.0.1", 80)}
    assert "127.0.0.1" not in names_of("127.0.0.1", 8765)
    assert {"bourse.example", "bourse.example:8765"} <= {
        *names_of("0.0.0.0", 8765, ["bourse.example"])
    }


def test_commands_need_a_token_of_their_own_and_a_header(served: Served, tmp_path: Path) -> None:
    for name in ("halt", "resume", "square-off", "close"):
        address = f"/api/live/{name}"
        answer = served.http.post(address, json={"account": "a"}, headers={"x-bourse": "1"})
        assert (answer.status_code, answer.json()["detail"]) == (403, "this token only reads")
        assert "insufficient_scope" in answer.headers["www-authenticate"]
        command = {"authorization": f"Bearer {COMMAND}"}
        answer = served.http.post(address, json={"account": "a"}, headers=command)
        assert answer.status_code == 403
        assert "x-bourse" in answer.json()["detail"]
        assert served.http.get(address).status_code in (404, 405)
    with serving(published(tmp_path, 1), tokens=Tokens(READ)) as found:
        answer = found.http.post("/api/live/halt", json={}, headers={"x-bourse": "1"})
        assert answer.json()["detail"] == "this server takes no commands"


def test_every_answer_has_the_strict_headers(served: Served) -> None:
    addresses = ("/", "/js/app.js", "/nothing", ADDRESS, "/api/v1/tables?nothing=1")
    for answer in [served.get(address) for address in addresses] + [
        served.get(ADDRESS, authorization=""),
        served.get(ADDRESS, host="evil"),
        served.http.delete(ADDRESS),
    ]:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, answer.url
        assert "server" not in answer.headers
    assert served.get("/").text == "<!doctype html>"
    assert served.get("/js/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["/../published.duckdb", "/js/../../duckbourse.duckdb", "/%2e%2e/duckbourse.duckdb",
     "//etc/hosts", "/js/%2e%2e%2findex.html", "/js%2fapp.js%00", "/\\etc\\hosts", "/%ff%fe"],
)  # fmt: skip
def test_no_path_leaves_the_front_end(served: Served, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nConnection: close\r\n\r\n"
    assert served.raw(head.encode()).startswith(b"HTTP/1.1 404 ")


def test_nothing_secret_is_logged_or_repeated(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"{READ} {COMMAND} secret_account")

    with structlog.testing.capture_logs() as logged, monkeypatch.context() as broken:
        broken.setattr("duckbourse.api.live.readable_sessions", fail)
        failed = served.get("/api/pages/live", x_bourse_account="secret_account")
    assert failed.status_code == 500
    [entry] = logged
    assert (entry["event"], entry["error"]) == ("a request failed", "ValueError")
    assert any("test_gate.py" in frame for frame in entry["frames"])
    with structlog.testing.capture_logs() as later:
        answers = [
            failed,
            served.get(ADDRESS, authorization="Bearer wrong-secret-of-somebody"),
            served.get(f"{ADDRESS}?cursor={READ}"),
            served.get("/api/pages/live", x_bourse_account="secret_account"),
            served.http.post(
                "/api/live/halt",
                json={"account": "secret_account"},
                headers={"authorization": f"Bearer {COMMAND}", "x-bourse": "1"},
            ),
        ]
    for answer in answers:
        for secret in (READ, COMMAND, "wrong-secret", "secret_account"):
            assert secret not in answer.text
            assert secret not in str(answer.headers)
            assert secret not in str(logged + later)
    assert READ not in repr(Tokens(READ, COMMAND))
    assert COMMAND not in repr(Tokens(READ, COMMAND))
