"""`./bourse login zerodha`: the login page, what is pasted, and the token that is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from duckbourse import clock
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.errors import BrokerRejected
from tests.support.commands import bourse
from tests.support.kite import ACCESS_TOKEN, API_KEY, API_SECRET, REQUEST_TOKEN

pytestmark = pytest.mark.any_day
KEYS = {"BOURSE_KITE_API_KEY": API_KEY, "BOURSE_KITE_API_SECRET": API_SECRET}
ADDRESS = f"https://example.com/?action=login&status=success&request_token={REQUEST_TOKEN}\n"
INDIA = ZoneInfo("Asia/Kolkata")


def test_a_login_keeps_the_token_until_six_in_india(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bought(client: KiteClient, form: Mapping[str, str]) -> str:
        assert (repr(client), form["request_token"]) == (
            "<KiteClient of https://api.kite.trade>",
            REQUEST_TOKEN,
        )
        return ACCESS_TOKEN

    monkeypatch.setattr(KiteClient, "session", bought)
    done = bourse(tmp_path, "login", "zerodha", stdin=ADDRESS, **KEYS)
    assert done.returncode == 0, done.stderr
    page, ended = done.stdout.splitlines()
    assert page == f"https://kite.zerodha.com/connect/login?v=3&api_key={API_KEY}"
    ends = datetime.strptime(ended.rpartition(" on ")[2], "%Y-%m-%d").date()
    now = clock.machine_now().astimezone(INDIA)
    assert (ends - now.date()).days == (now.hour >= 6)
    assert "logged in at zerodha until 06:00 in India on " in ended
    kept = json.loads((tmp_path / "tokens" / "zerodha.json").read_bytes())
    assert kept["access_token"] == ACCESS_TOKEN
    assert not {ACCESS_TOKEN, API_SECRET} & {*done.stdout.split(), *done.stderr.split()}


def test_a_login_that_is_refused_keeps_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> str:
        raise BrokerRejected("Invalid checksum")

    monkeypatch.setattr(KiteClient, "session", refused)
    done = bourse(tmp_path, "login", "zerodha", stdin=ADDRESS, **KEYS)
    assert done.returncode == 7
    assert "error: no access token: Invalid checksum\n" in done.stderr
    done = bourse(tmp_path, "login", "zerodha", stdin="https://example.com/?status=no\n", **KEYS)
    assert (done.returncode, "paste the whole address" in done.stderr) == (3, True)
    done = bourse(tmp_path, "login", "zerodha")
    assert (done.returncode, "BOURSE_KITE_API_SECRET" in done.stderr) == (2, True)
    assert not (tmp_path / "tokens").exists()
