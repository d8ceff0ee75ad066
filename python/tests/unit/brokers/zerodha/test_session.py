"""The access token: bought, kept where nobody else reads it, and ended at 06:00 in India."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from duckbourse import clock
from duckbourse.brokers.opening import BrokerSetup, at_venue, broker_of
from duckbourse.brokers.zerodha import session
from duckbourse.errors import BadInput, ConfigurationError, TokenRefused
from duckbourse.settings import Settings, settings
from duckbourse.trading.feeds import kite_access
from tests.support.kite import ACCESS_TOKEN, API_KEY, API_SECRET

TOKEN = SecretStr(ACCESS_TOKEN)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = Settings(data_dir=tmp_path, kite_api_key=SecretStr(API_KEY))
    for module in ("zerodha.session", "zerodha.opening"):
        monkeypatch.setattr(f"duckbourse.brokers.{module}.settings", lambda: found)
    return tmp_path


def india(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+05:30")


@pytest.mark.parametrize(
    ("obtained", "ends"),
    [
        ("2026-12-01T08:55", "2026-12-02T06:00"),
        ("2026-12-01T05:59", "2026-12-01T06:00"),
        ("2026-12-01T06:00", "2026-12-02T06:00"),
        ("2026-12-31T23:00", "2027-01-01T06:00"),
    ],
)
def test_a_token_ends_at_six_in_india(data: Path, obtained: str, ends: str) -> None:
    at = india(obtained).astimezone(UTC)
    with clock.driven_by(lambda: at):
        assert session.keep_token("zerodha", TOKEN) == india(ends)
        assert session.token_of("zerodha") == TOKEN
    with clock.driven_by(lambda: india(ends).astimezone(UTC)):
        with pytest.raises(TokenRefused, match="ended at 06:00 in India on") as refused:
            session.token_of("zerodha")
        assert refused.value.remedy == "log in: `./bourse login zerodha`"


def test_the_feed_has_the_token_of_the_login_unless_one_is_set(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments = data / "NSE.csv"
    known = Settings(data_dir=data, kite_api_key=SecretStr(API_KEY))
    monkeypatch.setattr("duckbourse.trading.feeds.settings", lambda: known)
    with clock.driven_by(lambda: datetime(2026, 12, 1, tzinfo=UTC)):
        with pytest.raises(ConfigurationError, match="there is no access token of zerodha"):
            kite_access(instruments)
        session.keep_token("zerodha", TOKEN)
        assert kite_access(instruments)[1] == TOKEN
        known.kite_access_token = SecretStr("another")
        assert kite_access(instruments)[1] == SecretStr("another")
        known.kite_api_key = None
        with pytest.raises(ConfigurationError, match="the API key for Kite is missing"):
            kite_access(instruments)


def test_a_token_is_kept_where_nobody_else_reads_it(data: Path) -> None:
    with clock.driven_by(lambda: datetime(2026, 12, 1, tzinfo=UTC)):
        session.keep_token("zerodha", TOKEN)
        path = data / "tokens" / "zerodha.json"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        path.chmod(0o640)
        with pytest.raises(ConfigurationError, match="others may read"):
            session.token_of("zerodha")
        path.chmod(0o600)
        path.write_text("{}")
        with pytest.raises(ConfigurationError, match="holds no access token"):
            session.token_of("zerodha")
        with pytest.raises(ConfigurationError, match="no access token of zerodha_venue") as refused:
            session.token_of("zerodha_venue")
        assert refused.value.remedy == "log in: `./bourse login zerodha --venue`"


def test_the_login_page_is_that_of_the_broker_or_of_the_venue() -> None:
    page = session.login_url("https://api.kite.trade", SecretStr(API_KEY))
    assert page == f"https://kite.zerodha.com/connect/login?v=3&api_key={API_KEY}"
    page = session.login_url("http://127.0.0.1:8765", SecretStr(API_KEY))
    assert page == f"http://127.0.0.1:8765/connect/login?v=3&api_key={API_KEY}"


@pytest.mark.parametrize(
    "pasted", ["abc123", " abc123\n", "https://127.0.0.1/?action=login&request_token=abc123&v=3"]
)
def test_a_request_token_is_found_in_what_is_pasted(pasted: str) -> None:
    assert session.request_token_in(pasted) == "abc123"


@pytest.mark.parametrize(
    "pasted", ["", "https://127.0.0.1/?status=failed", "a b", "request_token="]
)
def test_what_has_no_request_token_is_refused(pasted: str) -> None:
    with pytest.raises(BadInput, match="neither a request token"):
        session.request_token_in(pasted)


def test_the_checksum_is_of_key_token_and_secret() -> None:
    form = session.session_form(SecretStr("k"), SecretStr(API_SECRET), "r")
    wanted = hashlib.sha256(f"kr{API_SECRET}".encode()).hexdigest()
    assert form == {"api_key": "k", "request_token": "r", "checksum": wanted}


def test_real_orders_are_not_offered(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="takes no real orders") as refused:
        broker_of("zerodha")(BrokerSetup("mine", tmp_path, Decimal(1)))
    assert "--venue" in refused.value.remedy


def test_only_a_broker_whose_words_it_speaks_is_at_the_venue() -> None:
    assert at_venue("zerodha") == "zerodha_venue"
    with pytest.raises(ConfigurationError, match="does not speak the protocol of the broker paper"):
        at_venue("paper")


def test_a_venue_is_opened_after_a_login_and_sends_no_token_elsewhere(data: Path) -> None:
    setup = BrokerSetup("mine", data, Decimal(1))
    with clock.driven_by(lambda: datetime(2026, 12, 1, tzinfo=UTC)):
        with pytest.raises(ConfigurationError, match="no access token"):
            broker_of("zerodha_venue")(setup)
        session.keep_token("zerodha_venue", TOKEN)
        opened = broker_of("zerodha_venue")(setup)
    assert opened.name == "zerodha"
    assert opened.capabilities.follows_feed
    assert not opened.capabilities.is_simulated
    # the default address of the stream is the broker's own
    assert opened._stream._root == "ws://127.0.0.1:8770"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("field", "url", "is_usable"),
    [
        ("kite_root", "https://api.kite.trade", True),
        ("kite_root", "https://api.kite.trade/", True),
        ("kite_root", "http://127.0.0.1:9000", True),
        ("kite_root", "http://localhost:9000", True),
        ("kite_root", "http://[::1]:9000", True),
        ("kite_root", "http://api.kite.trade", False),
        ("kite_root", "https://api.kite.trade:8443", False),
        ("kite_root", "https://api.kite.trade.example.com", False),
        ("kite_root", "https://api.kite.trade@example.com", False),
        ("kite_root", "https://example.com", False),
        ("kite_root", "http://127.0.0.1.example.com", False),
        ("kite_root", "http://127.0.0.1:9000/elsewhere", False),
        ("kite_root", "http://127.0.0.1:0", False),
        ("kite_root", "ftp://127.0.0.1", False),
        ("kite_root", "http://[", False),
        ("venue_root", "http://127.0.0.1:9000", True),
        ("venue_root", "https://api.kite.trade", False),
        ("venue_root", "http://192.168.0.2:9000", False),
    ],
)
def test_keys_go_to_the_broker_or_to_loopback(field: str, url: str, is_usable: bool) -> None:
    if is_usable:
        found = Settings(**{field: url})  # type: ignore[arg-type]
        assert getattr(found, field) == url.rstrip("/")
    else:
        with pytest.raises(ValidationError, match=r"it is not .*http:// on 127\.0\.0\.1"):
            Settings(**{field: url})  # type: ignore[arg-type]


def test_the_secrets_are_hidden_in_the_settings() -> None:
    found = Settings(
        kite_api_key=SecretStr(API_KEY),
        kite_api_secret=SecretStr(API_SECRET),
        kite_access_token=TOKEN,
    )
    assert not [each for each in (API_KEY, API_SECRET, ACCESS_TOKEN) if each in repr(found)]
    assert settings().kite_root == "https://api.kite.trade"
