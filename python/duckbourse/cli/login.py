"""`./bourse login`: obtain a broker's access token for the day."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import SecretStr

from duckbourse.brokers.zerodha import session
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.brokers.zerodha.mapping import INDIA
from duckbourse.brokers.zerodha.opening import VENUE
from duckbourse.cli.output import notes, results
from duckbourse.errors import BrokerError, ConfigurationError, TokenRefused
from duckbourse.settings import settings


class LoginBroker(StrEnum):
    """A broker to log in at."""

    ZERODHA = "zerodha"


def login(
    broker: Annotated[LoginBroker, typer.Argument(help="Broker to log in at.")],
    venue: Annotated[
        bool, typer.Option("--venue", help="Log in at the venue of BOURSE_VENUE_ROOT instead.")
    ] = False,
) -> None:
    """
    Log in at a broker, and keep the access token of the day in a private file.

    Open the address that is printed, log in there, and paste the address to which it redirects. It
    needs BOURSE_KITE_API_KEY and BOURSE_KITE_API_SECRET. Kite's token ends at 06:00 in India and
    cannot be renewed.

    Examples:

    - `./bourse login zerodha`
    - `./bourse login zerodha --venue`
    """
    found = settings()
    api_key, api_secret = found.kite_api_key, found.kite_api_secret
    if api_key is None or api_secret is None:
        raise ConfigurationError(
            "the API key or the API secret for Kite is missing",
            "set BOURSE_KITE_API_KEY and BOURSE_KITE_API_SECRET, or put them into .env",
        )
    root, name = (found.venue_root, VENUE) if venue else (found.kite_root, broker.value)
    notes.print("log in at this address:")
    # the API key is in it, which is no secret without the other one
    results.print(session.login_url(root, api_key), markup=False, soft_wrap=True)
    # it may be seen: it buys one token, with the API secret, and is spent by that
    pasted = typer.prompt("the address to which it redirected", err=True)
    request_token = session.request_token_in(pasted)
    form = session.session_form(api_key, api_secret, request_token)
    token = asyncio.run(_bought(KiteClient(root, api_key), form))
    ends = session.keep_token(name, token).astimezone(INDIA)
    results.print(f"logged in at {name} until {ends:%H:%M} in India on {ends:%Y-%m-%d}")


async def _bought(client: KiteClient, form: dict[str, str]) -> SecretStr:
    try:
        return SecretStr(await client.session(form))
    except BrokerError as error:
        raise TokenRefused(
            f"no access token: {error}", "log in again: a request token lasts for minutes, once"
        ) from None
    finally:
        await client.disconnect()
