"""Opens Zerodha for an account: only at a venue on loopback, where no money moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from duckbourse.brokers.zerodha.broker import ZerodhaBroker
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.brokers.zerodha.mapping import Names
from duckbourse.brokers.zerodha.session import Access, token_of
from duckbourse.brokers.zerodha.updates import KiteOrderStream
from duckbourse.errors import ConfigurationError
from duckbourse.orders.broker import Broker
from duckbourse.settings import LOOPBACK, settings
from duckbourse.streaming.feed import Tick

if TYPE_CHECKING:
    from duckbourse.brokers.opening import BrokerSetup

VENUE = "zerodha_venue"


class VenueBroker(ZerodhaBroker):
    """Zerodha at a venue, whose market is the feed of the session."""

    capabilities = replace(ZerodhaBroker.capabilities, follows_feed=True)


class VenueMarket:
    """
    Lets the ticks that are traded on move the market of a venue, before the account acts.

    `POST /venue/ticks` has a JSON list with `instrument` (NSE:INFY), `at`, `price` as text and
    `quantity` of each, and `POST /venue/end` ends the session; both answer as Kite does.
    """

    def __init__(self, client: KiteClient, tick_sizes: Mapping[str, Decimal]) -> None:
        self._client = client
        self._symbols = tuple(tick_sizes)

    def symbols(self) -> Iterable[str]:
        return self._symbols

    async def on_ticks(self, ticks: list[Tick]) -> None:
        rows = [
            {
                "instrument": ":".join(Names.theirs(tick.symbol)),
                "at": tick.at,
                "price": tick.price,
                "quantity": tick.quantity,
            }
            for tick in ticks
        ]
        await self._client.post("/venue/ticks", msgspec.json.encode(rows))

    async def on_end(self) -> None:
        await self._client.post("/venue/end", b"{}")


def open_zerodha(setup: BrokerSetup) -> Broker:
    """Refuse: orders with real money are not offered before they are proven."""
    raise ConfigurationError(
        "the broker zerodha takes no real orders in this version",
        "rehearse with --venue, or choose --broker paper",
    )


def open_at_venue(setup: BrokerSetup) -> Broker:
    """Open Zerodha at the venue of BOURSE_VENUE_ROOT, which never is Zerodha itself."""
    access = venue_access()
    client = KiteClient(access.root, access.api_key, access.access_token)
    broker = VenueBroker(
        client,
        KiteOrderStream(access.stream, access.api_key, access.access_token),
        setup.tick_sizes,
        algo_id=settings().kite_algo_id,
    )
    if setup.relay is not None:
        setup.relay.follow(VenueMarket(client, setup.tick_sizes))
    return broker


def venue_access() -> Access:
    """Return how to reach the venue; raise ConfigurationError or TokenRefused without a login."""
    found = settings()
    if found.kite_api_key is None:
        raise ConfigurationError(
            "the API key for Kite is missing",
            "set BOURSE_KITE_API_KEY in the environment or in .env; a venue takes any",
        )
    # a stream elsewhere is the broker's own, to which the token of a venue is not sent
    is_local = urlsplit(found.kite_url).hostname in LOOPBACK
    stream = found.kite_url if is_local else found.venue_root.replace("http", "ws", 1)
    return Access(VENUE, found.venue_root, stream, found.kite_api_key, token_of(VENUE))
