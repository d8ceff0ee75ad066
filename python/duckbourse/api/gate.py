"""
What every request passes first: size, host, origin, rate and token; and the headers it leaves with.

Of a request that is refused, nothing but its head is read.
"""

from __future__ import annotations

import math
import secrets
from collections import OrderedDict
from collections.abc import Iterable, MutableMapping

import anyio
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duckbourse import clock
from duckbourse.api.bounds import Bounds, Tokens
from duckbourse.api.problems import Refused, problem, problem_of, where

log = structlog.get_logger()

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# clients whose rate is remembered
MOST_CLIENTS = 1_000
COMMANDS = "/api/live/"
# browsers omit it
HTTP_PORT = 80
ASK_TOKEN = {"www-authenticate": 'Bearer realm="duckbourse"'}
# RFC 6750, section 3.1: the page asks for the other token then
ASK_SCOPE = {"www-authenticate": 'Bearer error="insufficient_scope", scope="command"'}


class Gate:
    """The middleware around the whole application. `names` are those of the server, with ports."""

    def __init__(self, app: ASGIApp, bounds: Bounds, tokens: Tokens, names: Iterable[str]) -> None:
        self._app = app
        self._bounds = bounds
        self._tokens = tokens
        self._names = frozenset(name.lower() for name in names)
        # by client: the requests that it may still send, and when that was so
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        is_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in names
                    ),
                ]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._bounded(receive), send_with_headers)
        except Exception as error:
            response = problem_of(error)
            if response.status_code == 500:
                # neither the address nor a header nor its text, which may be secret
                log.error("a request failed", method=scope["method"], **where(error))
            if is_begun:
                raise
            await response(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        bounds = self._bounds
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if len(scope["raw_path"]) > bounds.path_bytes:
            raise Refused(414, f"an address has at most {bounds.path_bytes:,} bytes")
        if len(scope["query_string"]) > bounds.query_bytes:
            raise Refused(414, f"parameters have at most {bounds.query_bytes:,} bytes")
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > bounds.header_count or size > bounds.header_bytes:
            most = f"{bounds.header_count} headers of {bounds.header_bytes:,} bytes"
            raise Refused(431, f"a request has at most {most}")
        found: MutableMapping[bytes, list[bytes]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value)
        self._check_origin(scope["path"], found)
        scopes = self._scopes_of(found)
        is_command = scope["method"] == "POST" and scope["path"].startswith(COMMANDS)
        client = str((scope.get("client") or ("",))[0])
        # those of commands count apart, so that no reader keeps a halt out
        self._check_rate(f"{client} commands" if is_command and "command" in scopes else client)
        self._check_body(scope["method"], found)
        if scope["path"].startswith("/api/"):
            self._check_token(scopes, found, is_command=is_command)

    def _check_origin(self, path: str, headers: MutableMapping[bytes, list[bytes]]) -> None:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or _text(hosts[0]) not in self._names:
            raise Refused(
                421, "this server has another name", f"ask it as {sorted(self._names)[0]}"
            )
        for origin in headers.get(b"origin", []):
            scheme, _, name = _text(origin).partition("://")
            if scheme not in ("http", "https") or name not in self._names:
                raise Refused(403, "a page of another origin may not ask this server")
        # of a page elsewhere, only a link is followed
        is_foreign = b"cross-site" in headers.get(b"sec-fetch-site", [])
        is_link = headers.get(b"sec-fetch-mode") == [b"navigate"]
        if is_foreign and (path.startswith("/api/") or not is_link):
            raise Refused(403, "a page of another origin may not ask this server")

    def _check_rate(self, client: str) -> None:
        rate = self._bounds.requests_per_second
        now = clock.elapsed_seconds()
        left, before = self._rates.pop(client, (2 * rate, now))
        left = min(2 * rate, left + (now - before) * rate)
        # what is refused takes no turn, or somebody who asks too fast would get no answer at all
        self._rates[client] = (left - 1 if left >= 1 else left, now)
        if len(self._rates) > MOST_CLIENTS:
            self._rates.popitem(last=False)
        if left < 1:
            raise Refused(
                429,
                f"a client may send {rate:g} requests a second",
                "ask more slowly, or for more rows at once",
                {"retry-after": "1"},
            )

    def _check_body(self, method: str, headers: MutableMapping[bytes, list[bytes]]) -> None:
        if b"transfer-encoding" in headers:
            raise Refused(411, "the length of the body is not known", "send Content-Length")
        lengths = headers.get(b"content-length", [])
        if not lengths:
            return
        text = _text(lengths[0])
        if len(lengths) > 1 or not text.isdecimal():
            raise Refused(400, "the Content-Length is not a number")
        if int(text) > self._bounds.body_bytes:
            raise Refused(413, f"a body has at most {self._bounds.body_bytes:,} bytes")
        if method in ("GET", "HEAD") and int(text):
            raise Refused(400, "a GET has no body")

    def _scopes_of(self, headers: MutableMapping[bytes, list[bytes]]) -> frozenset[str]:
        """Return what the token of a request is good for: read, command, or nothing."""
        given = headers.get(b"authorization", [])
        kind, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
        # both are compared, so that the time says nothing
        is_command = self._tokens.command is not None and _same(token, self._tokens.command)
        is_read = _same(token, self._tokens.read)
        if kind.lower() != b"bearer" or not (is_read or is_command):
            return frozenset()
        return frozenset({"read", "command"} if is_command else {"read"})

    def _check_token(
        self,
        scopes: frozenset[str],
        headers: MutableMapping[bytes, list[bytes]],
        *,
        is_command: bool,
    ) -> None:
        if not scopes:
            raise Refused(
                401,
                "a token is required",
                "send Authorization: Bearer and the token that `./bourse serve` named",
                ASK_TOKEN,
            )
        if is_command:
            if self._tokens.command is None:
                raise Refused(403, "this server takes no commands", "`./bourse serve --help`")
            if "command" not in scopes:
                raise Refused(403, "this token only reads", "send the token of commands", ASK_SCOPE)
            if headers.get(b"x-bourse") != [b"1"]:
                raise Refused(403, "a command needs the header x-bourse: 1")

    def _bounded(self, receive: Receive) -> Receive:
        taken = 0
        is_whole = False
        ends_at: float | None = None

        async def bounded() -> Message:
            nonlocal taken, is_whole, ends_at
            if ends_at is None:
                ends_at = anyio.current_time() + self._bounds.body_seconds
            # what follows the body is the end of the connection, for which a stream waits
            with anyio.CancelScope(deadline=math.inf if is_whole else ends_at) as wait:
                message = await receive()
            if wait.cancelled_caught:
                raise Refused(408, f"the body took more than {self._bounds.body_seconds:g} s")
            is_whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > self._bounds.body_bytes:
                raise Refused(413, f"a body has at most {self._bounds.body_bytes:,} bytes")
            return message

        return bounded


def _same(given: bytes, wanted: str) -> bool:
    return secrets.compare_digest(given, wanted.encode())


def _text(value: bytes) -> str:
    return value.decode("latin-1").lower()


def names_of(host: str, port: int, also: Iterable[str] = ()) -> list[str]:
    """
    Return what a Host header may be for a server.

    It has the port, unless that is the one of HTTP, or a proxy has another name.
    """
    hosts = {*LOOPBACK_NAMES, *also}
    if host not in ("0.0.0.0", "::"):
        hosts.add(f"[{host}]" if ":" in host else host)
    without = hosts if port == HTTP_PORT else set(also)
    return sorted({f"{name}:{port}" for name in hosts} | without)


def unknown_route(status: int) -> Response:
    """Return the answer to an address, or a method, that does not exist."""
    if status == 405:
        return problem(405, "this address does not take the method", "GET /api/v1/openapi.json")
    return problem(404, "there is no such address", "GET /api/v1/openapi.json lists them")
