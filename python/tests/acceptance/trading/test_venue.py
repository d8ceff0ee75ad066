"""`./bourse venue` as a stranger uses it: the venue in one terminal, login and trade in another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from kiteconnect import KiteConnect

from duckbourse.settings import PROJECT
from tests.support.commands import bourse
from tests.support.waiting import HANG_SECONDS
from tests.support.warehouse import Warehouse

DAY = "2010-05-28"
KEYS = {"BOURSE_KITE_API_KEY": "rehearsal", "BOURSE_KITE_API_SECRET": "planted0secret"}


@dataclass
class Terminal:
    """A shell in the project's folder; `root` is the venue's."""

    data: Path
    root: str = ""

    def begin(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("BOURSE_")}
        kept |= {"BOURSE_DATA_DIR": str(self.data), "PYTHONPATH": str(PROJECT / "python")}
        kept |= {"COLUMNS": "200", **({"BOURSE_VENUE_ROOT": self.root} if self.root else {})}
        return subprocess.Popen(
            [sys.executable, "-m", "duckbourse.cli", *words],
            env=kept | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0) -> str:
        with self.begin(*words, **KEYS) as process:
            printed, errors = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == code, errors
        return printed or errors

    @contextmanager
    def venue(self, *words: str, **environment: str) -> Iterator[list[str]]:
        """Run the venue until the end of the block; then add what it printed last to the list."""
        with self.begin("venue", "--date", DAY, "--port", "0", *words, **environment) as process:
            try:
                assert process.stdout is not None
                self.root = process.stdout.readline().split(" ")[0]
                assert self.root.startswith("http://127.0.0.1:"), process.communicate()
                ended: list[str] = []
                yield ended
                process.send_signal(signal.SIGTERM)
                printed, errors = process.communicate(timeout=HANG_SECONDS)
                assert process.returncode == 0, errors
                assert "Traceback" not in errors
                ended += printed.splitlines()
            finally:
                process.kill()

    def log_in(self, code: int = 0) -> str:
        """Log in; return the access token that is kept, or the error."""
        with self.begin("login", "zerodha", "--venue", **KEYS) as process:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with httpx.Client(trust_env=False, follow_redirects=True) as browser:
                page = browser.get(address)
            assert "Paste the address of this page" in page.text
            _, errors = process.communicate(f"{page.url}\n", timeout=HANG_SECONDS)
        assert process.returncode == code, errors
        if code:
            return errors
        kept = (self.data / "tokens" / "zerodha_venue.json").read_bytes()
        return str(json.loads(kept)["access_token"])


@pytest.fixture
def terminal(sample: Warehouse, tmp_path: Path) -> Terminal:
    (tmp_path / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")
    return Terminal(tmp_path)


def official(terminal: Terminal, token: str) -> Any:
    """Return the official client of the venue."""
    client = KiteConnect("rehearsal", access_token=token, root=terminal.root)
    client.reqsession.trust_env = False
    return client


def test_a_session_is_traded_as_pasted(terminal: Terminal) -> None:
    with terminal.venue() as ended:
        token = terminal.log_in()
        words = ("trade", "--date", DAY, "--broker", "zerodha", "--venue", "--json")
        end = json.loads(terminal.run(*words))
        assert end["positions"] == []
        (pnl,) = json.loads(terminal.run("pnl", "--json"))
        assert "0 differences" in terminal.run("reconcile")
        venue = official(terminal, token)
        orders, trades = venue.orders(), venue.trades()
        filled = {each["order_id"] for each in orders if each["filled_quantity"]}
        assert len(filled) >= 16
        assert len({each["tag"] for each in orders}) == len(orders)
        assert {each["order_id"] for each in trades} == filled
        assert all(each["quantity"] == 0 for each in venue.positions()["net"])
        cash = Decimal(str(venue.margins("equity")["net"]))
        assert cash == Decimal(str(pnl["cash_amount"])) != 100_000
    (said,) = ended
    assert said == (f"{len(orders)} orders, {len(trades)} trades, 0 positions, cash {cash:,.2f}")
    # started again, it goes on with its book, and whoever is logged in stays so
    with terminal.venue("--speed", "1") as ended:
        again = official(terminal, token)
        assert (again.orders(), again.trades()) == (orders, trades)
        terminal.run("venue", "--date", DAY, "--port", "0", code=4)
    assert ended == [said]
    with terminal.venue("--fresh") as ended:
        assert official(terminal, token).orders() == []
    assert ended == ["0 orders, 0 trades, 0 positions, cash 100,000.00"]


def test_the_venue_takes_the_keys_that_it_is_given(terminal: Terminal) -> None:
    with terminal.venue(BOURSE_KITE_API_KEY="rehearsal", BOURSE_KITE_API_SECRET="another"):
        assert "Invalid `checksum`" in terminal.log_in(code=7)
        with httpx.Client(trust_env=False, base_url=terminal.root) as client:
            asked = client.get("/connect/login", params={"api_key": "wrong"})
            assert (asked.status_code, asked.json()["error_type"]) == (400, "InputException")
            assert client.get("/orders").status_code == 403
            host = {"host": "example.com"}
            assert client.get("/instruments", headers=host).status_code == 403
            assert client.get("/instruments/NSE").text.count("\n") > 10
    with terminal.venue(**KEYS):
        terminal.log_in()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fault", "lost-answer"), "--fault lost-answer is not NAME=N"),
        (("--fault", "fire=1"), "--fault fire=1 is not NAME=N"),
        (("--feed", "ticks"), "--feed ticks is not played without --speed"),
        (("--feed", "zerodha"), "the venue cannot play --feed zerodha"),
        (("--account", "nobody"), "nobody"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    done = bourse(terminal.data, "venue", *words)
    assert done.returncode == 2
    line, remedy = done.stderr.splitlines()
    assert said in line
    assert remedy.startswith("  remedy: ")
