"""
The access token of Kite: how it is obtained, kept and checked.

A person logs in at Kite's page, which redirects to an address with a request token; this and the
API secret buy the access token. It ends at 06:00 in India, whenever it was obtained, and cannot be
renewed. It is kept in a private file, which no backup has, or comes from the environment.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.mapping import INDIA
from duckbourse.disk import write_private
from duckbourse.errors import BadInput, ConfigurationError, TokenRefused
from duckbourse.settings import LOOPBACK, settings

LOGIN = "https://kite.zerodha.com/connect/login"
ENDS_AT = time(6)
FOLDER = "tokens"
OTHERS = 0o077


class Access(msgspec.Struct, frozen=True):
    """Where orders go, and with what; `name` is that of the token's file."""

    name: str
    root: str
    stream: str
    api_key: SecretStr
    access_token: SecretStr


class _Kept(msgspec.Struct, frozen=True):
    access_token: str
    obtained_at: datetime


class Asked(Protocol):
    """Asks Kite for the data of a session: the client."""

    async def session(self, form: dict[str, str]) -> str:
        """Return the access token that a form with a checksum buys."""


def expires_at(obtained_at: datetime) -> datetime:
    """Return when a token ends: the next 06:00 in India."""
    local = obtained_at.astimezone(INDIA)
    day = local.date() + timedelta(days=local.time() >= ENDS_AT)
    return datetime.combine(day, ENDS_AT, INDIA).astimezone(UTC)


def login_url(root: str, api_key: SecretStr) -> str:
    """Return the page at which a person logs in: Kite's, or that of a venue on loopback."""
    is_local = urlsplit(root).hostname in LOOPBACK
    page = f"{root}/connect/login" if is_local else LOGIN
    return f"{page}?{urlencode({'v': '3', 'api_key': api_key.get_secret_value()})}"


def request_token_in(text: str) -> str:
    """Return the request token of what was pasted: the token, or the address with it."""
    text = text.strip()
    token = text
    if "request_token=" in text:
        token = next(iter(parse_qs(urlsplit(text).query).get("request_token", ())), "")
    if not token.isalnum():
        raise BadInput(
            "that is neither a request token nor an address with one",
            "paste the whole address to which the login page redirected",
        )
    return token


def session_form(api_key: SecretStr, api_secret: SecretStr, request_token: str) -> dict[str, str]:
    """Return the form that buys an access token."""
    key, secret = api_key.get_secret_value(), api_secret.get_secret_value()
    checksum = hashlib.sha256(f"{key}{request_token}{secret}".encode()).hexdigest()
    return {"api_key": key, "request_token": request_token, "checksum": checksum}


def token_path(name: str) -> Path:
    """Return the file that keeps the token of a broker."""
    return settings().data / FOLDER / f"{name}.json"


def keep_token(name: str, access_token: SecretStr) -> datetime:
    """Keep an access token in its private file; return when it ends."""
    kept = _Kept(access_token.get_secret_value(), clock.machine_now())
    write_private(token_path(name), msgspec.json.encode(kept))
    return expires_at(kept.obtained_at)


def token_of(name: str) -> SecretStr:
    """
    Return the access token of the file.

    Raise ConfigurationError if there is none or others may read it, and TokenRefused if it has
    ended.
    """
    path, again = token_path(name), f"log in: `./bourse login {name.replace('_', ' --')}`"
    try:
        content = path.read_bytes()
        if path.stat().st_mode & OTHERS:
            raise ConfigurationError(
                f"others may read {path}, which holds an access token",
                f"`chmod 600 {path}`, and log in again if somebody may have read it",
            )
        kept = msgspec.json.decode(content, type=_Kept)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no access token of {name}", again) from None
    except msgspec.MsgspecError:
        raise ConfigurationError(f"{path} holds no access token", again) from None
    ended = expires_at(kept.obtained_at)
    if clock.machine_now() >= ended:
        local = ended.astimezone(INDIA)
        raise TokenRefused(
            f"the access token of {name} ended at {local:%H:%M} in India on {local:%Y-%m-%d}",
            again,
        )
    return SecretStr(kept.access_token)
