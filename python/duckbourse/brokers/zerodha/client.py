"""
What Kite is asked over HTTP, and which answers are a refusal.

Nothing is sent twice. A request was not carried out if it never left, or if Kite itself says so
with an error of its own; whatever else goes wrong may have happened after Kite acted on it. The
secrets are in the headers and in one form: in no address, no message and no repr.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.stream import HEADERS
from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders.pacing import Pace, Rate

ANSWER_SECONDS = 10.0
# of queries; orders are paced by the order manager
QUERY_RATES = (Rate(10, 1),)
# what these say happened may have happened after an order was placed
UNCLEAR = frozenset({"NetworkException", "GeneralException", "DataException"})
REQUEST_TIMEOUT, TOO_MANY = 408, 429
TOKEN_ENDED = "TokenException"
HIDDEN = "[hidden]"
# at its default level it logs nothing; at others, whole requests
for name in ("httpx", "httpcore"):
    logging.getLogger(name).setLevel(logging.WARNING)


class KiteClient:
    """Asks Kite, or a venue that speaks its protocol."""

    def __init__(
        self,
        root: str,
        api_key: SecretStr,
        access_token: SecretStr | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._root = root
        self._api_key, self._access_token = api_key, access_token
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._pace = Pace(QUERY_RATES, clock.elapsed_seconds)

    def __repr__(self) -> str:
        return f"<KiteClient of {self._root}>"

    async def session(self, form: dict[str, str]) -> str:
        """Return the access token that a form with a checksum buys."""
        found = await self._answer("POST", "/session/token", form)
        return str(_field(found, "access_token"))

    async def get(self, path: str) -> Any:
        """Ask for data, which changes nothing; wait for a turn."""
        while wait := self._pace.wait_seconds(is_urgent=True):
            await asyncio.sleep(wait)
        self._pace.count(is_urgent=True)
        return await self._answer("GET", path)

    async def place(self, form: Mapping[str, str]) -> str:
        """Place an order and return its id at Kite."""
        return str(_field(await self._answer("POST", "/orders/regular", form), "order_id"))

    async def modify(self, variety: str, order_id: str, form: Mapping[str, str]) -> None:
        await self._answer("PUT", _order(variety, order_id), form)

    async def cancel(self, variety: str, order_id: str) -> None:
        await self._answer("DELETE", _order(variety, order_id))

    async def post(self, path: str, content: bytes) -> Any:
        """Send JSON to a venue, which Kite has no use for."""
        return await self._answer("POST", path, content=content)

    async def disconnect(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._root,
                headers=HEADERS,
                timeout=ANSWER_SECONDS,
                transport=self._transport,
                # a redirect would send the token to another host, and so would a proxy
                follow_redirects=False,
                trust_env=False,
            )
        return self._http

    def _headers(self) -> dict[str, str]:
        if self._access_token is None:
            return {}
        key, token = self._api_key.get_secret_value(), self._access_token.get_secret_value()
        return {"Authorization": f"token {key}:{token}"}

    async def _answer(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Any:
        what = f"{method} {path}"
        try:
            response = await self._client().request(
                method, path, data=form, content=content, headers=self._headers()
            )
        # without its cause: that holds the request, and with it the token
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise BrokerRejected(f"{what}: Kite cannot be reached: {self._said(error)}") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise BrokerUnclear(f"{what}: no answer: {self._said(error)}") from None
        status = response.status_code
        found = _decoded(response)
        if status == httpx.codes.OK and found.get("status") == "success" and "data" in found:
            return found["data"]
        kind = str(found.get("error_type") or "")
        message = self._hidden(str(found.get("message") or "no readable answer"))
        text = f"{what}: HTTP {status}{f', {kind}' if kind else ''}: {message}"
        if kind == TOKEN_ENDED:
            text += "; the access token is wrong or has ended: `./bourse login zerodha`"
        if _is_refusal(method, status, kind):
            raise BrokerRejected(text)
        raise BrokerUnclear(text)

    def _said(self, error: Exception) -> str:
        return self._hidden(str(error)) or type(error).__name__

    def _hidden(self, text: str) -> str:
        for secret in (self._api_key, self._access_token):
            if secret is not None and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), HIDDEN)
        return text


def _is_refusal(method: str, status: int, kind: str) -> bool:
    """Return whether Kite says that it did not act on a request."""
    if status == TOO_MANY:  # before anybody looked at it
        return True
    if not 400 <= status < 500 or status == REQUEST_TIMEOUT or not kind:
        return False
    # what would be sent again if it were taken for refused is an order alone
    return method != "POST" or kind not in UNCLEAR


def _decoded(response: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(response.content, parse_float=Decimal)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _field(found: Any, name: str) -> Any:
    if not isinstance(found, dict) or not found.get(name):
        raise BrokerUnclear(f"the answer has no {name}")
    return found[name]


def _order(variety: str, order_id: str) -> str:
    return f"/orders/{quote(variety, safe='')}/{quote(order_id, safe='')}"
