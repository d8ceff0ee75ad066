"""Settings from the environment and `.env`, typed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from duckbourse.errors import ConfigurationError


def _project() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "dbt_project.yml").exists():
        return checkout
    # installed elsewhere, without -e: the project in which the notebook or the shell is
    around = (Path.cwd(), *Path.cwd().parents)
    return next((each for each in around if (each / "dbt_project.yml").exists()), checkout)


PROJECT = _project()
# of a data folder: those that commands write to
FOLDERS = ("raw", "build", "publications", "trading")


# a size of memory, as DuckDB reads it
MEMORY = r"\d+(\.\d+)?\s?(MB|GB|MiB|GiB)"
UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}

# dbt inserts the folder unescaped into a quoted glob, and that into a format string
NOT_IN_A_FOLDER = "*?[]{}'\\"


def shown(path: Path) -> Path:
    """Return a path as it is typed in the project's folder: relative if it is below that."""
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path


def bytes_of(size: str) -> int:
    """Return the number of bytes of a size such as 500MB."""
    number, unit = re.findall(r"[\d.]+|[A-Za-z]+", size)
    return int(float(number) * UNITS[unit])


def readable(folder: Path) -> Path:
    """Return the folder if builds can read from it."""
    if found := [mark for mark in NOT_IN_A_FOLDER if mark in str(folder)]:
        reason = f"no build can read from a folder with {' or '.join(found)} in its path"
        raise PydanticCustomError("folder", "{reason}", {"reason": reason})
    return folder


class EventKind(StrEnum):
    """What a webhook is notified of."""

    build_failed = "build_failed"
    data_late = "data_late"
    published = "published"
    trading = "trading"
    # what an operator sends, which needs no setting
    message = "message"


# what the secret of Standard Webhooks begins with, before its base64
SIGNED_WITH = "whsec_"
LEAST_SECRET_BYTES = 24


def _address(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable = usable and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise PydanticCustomError("address", "it is not an address of http:// or https://")
    return url


LOOPBACK = ("127.0.0.1", "::1", "localhost")


KITE_STREAM, KITE_ROOT = "ws.kite.trade", "api.kite.trade"


def _socket_address(url: str) -> str:
    """Return the address of a socket to which an access token may be sent."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        usable = parts.port is None or parts.port > 0
    except ValueError:
        host, usable = None, False
    usable = usable and bool(host) and not (parts.query or parts.fragment or parts.username)
    is_own = usable and parts.scheme == "wss" and host == KITE_STREAM
    is_local = usable and parts.scheme == "ws" and host in LOOPBACK
    if not (is_own or is_local):
        raise PydanticCustomError("socket", "it is not wss://ws.kite.trade, or ws:// on 127.0.0.1")
    return url


def _root_of(*hosts: str) -> Callable[[str], str]:
    """Return a check of a broker's root address: one of its own hosts, or loopback."""

    def checked(url: str) -> str:
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            port, host, parts = 0, None, urlsplit("")
        is_bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
        is_own = parts.scheme == "https" and host in hosts and port is None
        is_local = parts.scheme == "http" and host in LOOPBACK and port != 0
        if not is_bare or not (is_own or is_local):
            own = "".join(f"https://{each}, or " for each in hosts)
            reason = f"it is not {own}http:// on 127.0.0.1"
            raise PydanticCustomError("root", "{reason}", {"reason": reason})
        return url.rstrip("/")

    return checked


def _signing_secret(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        value = secret.get_secret_value()
        try:
            key = base64.b64decode(value.removeprefix(SIGNED_WITH), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not value.startswith(SIGNED_WITH) or len(key) < LEAST_SECRET_BYTES:
            raise PydanticCustomError(
                "secret",
                "it is not whsec_ and 24 bytes or more in base64, such as by: "
                'echo "whsec_$(openssl rand -base64 32)"',
            )
    return secret


# letters of a token of the API, at least
LEAST_TOKEN_LETTERS = 24


def _api_token(token: SecretStr | None) -> SecretStr | None:
    if token is not None:
        text = token.get_secret_value()
        if len(text) < LEAST_TOKEN_LETTERS or not (text.isascii() and text.isprintable()):
            raise PydanticCustomError(
                "token",
                f"it is not {LEAST_TOKEN_LETTERS} or more printable letters, such as by:"
                " openssl rand -hex 32",
            )
    return token


def _event_kinds(text: Any) -> Any:
    return [word.strip() for word in text.split(",")] if isinstance(text, str) else text


class Settings(BaseSettings):
    """
    Each field is the environment variable `BOURSE_<FIELD>`, or a line of `.env` in the project.

    An empty one is not set. Relative paths start at the project's folder. `profiles.yml` and
    `dbt_project.yml` read the same variables, so that plain `dbt build` and `./bourse build` agree.
    """

    model_config = SettingsConfigDict(
        env_prefix="BOURSE_",
        env_file=PROJECT / ".env",
        # a secret that a scheduler does not have is often set, and empty
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    data_dir: Annotated[Path, AfterValidator(readable)] = Path("data")
    sample: bool = True
    threads: int = Field(default=2, ge=1)
    model_threads: int = Field(default=1, ge=1)
    keep_publications: int = Field(default=3, ge=0)
    keep_days: float = Field(default=30, ge=0)
    keep_gb: float = Field(default=5, ge=0)
    metrics_token: SecretStr | None = None
    api_token: Annotated[SecretStr | None, AfterValidator(_api_token)] = None
    api_command_token: Annotated[SecretStr | None, AfterValidator(_api_token)] = None
    kite_api_key: SecretStr | None = None
    kite_api_secret: SecretStr | None = None
    kite_access_token: SecretStr | None = None
    kite_root: Annotated[str, AfterValidator(_root_of(KITE_ROOT))] = "https://api.kite.trade"
    kite_algo_id: str | None = None
    kite_url: Annotated[str, AfterValidator(_socket_address)] = f"wss://{KITE_STREAM}"
    venue_root: Annotated[str, AfterValidator(_root_of())] = "http://127.0.0.1:8770"
    webhook_url: Annotated[SecretStr | None, AfterValidator(_address)] = None
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_signing_secret)] = None
    webhook_events: Annotated[frozenset[EventKind], NoDecode, BeforeValidator(_event_kinds)] = (
        frozenset({EventKind.build_failed, EventKind.data_late, EventKind.trading})
    )
    telegram_token: SecretStr | None = None
    telegram_chat: str | None = None
    telegram_url: str = "https://api.telegram.org"
    memory_limit: str = Field(default="3GB", pattern=rf"^{MEMORY}$")

    @property
    def data(self) -> Path:
        """The folder that holds sample, raw, build and published data."""
        return PROJECT / self.data_dir

    @property
    def raw(self) -> Path:
        """The raw store of ingested deliveries."""
        return self.data / "raw"

    @property
    def shipped(self) -> Path:
        """The raw store of the shipped sample."""
        return self.data / "sample"

    @property
    def build_database(self) -> Path:
        """The file that dbt owns; nothing else opens it."""
        return self.data / "build" / "duckbourse.duckdb"

    @property
    def published_database(self) -> Path:
        """The published file, which everyone reads."""
        return self.data / "duckbourse.duckdb"


@cache
def settings() -> Settings:
    """Return the settings, read once; raise ConfigurationError for the first invalid one."""
    try:
        return Settings()
    except ValidationError as error:
        raise _unusable(error.errors()[0]) from error


def unusable() -> list[ConfigurationError]:
    """Return an error for each invalid setting."""
    try:
        Settings()
    except ValidationError as error:
        return [_unusable(each) for each in error.errors()]
    return []


def _unusable(found: ErrorDetails) -> ConfigurationError:
    field = str(found["loc"][0])
    name = f"BOURSE_{field.upper()}"
    is_secret = "SecretStr" in str(Settings.model_fields[field].annotation)
    shown = name if is_secret else f"{name}={found['input']!r}"
    return ConfigurationError(
        f"{shown} is not usable: {found['msg']}",
        f"set {name} in the environment or in .env, or unset it for the default",
    )
