"""Orders by hand to a loop that runs in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from duckbourse.state import holder
from tests.support.waiting import HANG_SECONDS, wait_until
from tests.support.warehouse import Warehouse, empty_store

COMMAND = [sys.executable, "-m", "duckbourse.cli"]


class Session:
    """A loop that replays a session, and the commands beside it."""

    def __init__(self, data: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BOURSE_")}
        self.environment = {**kept, "BOURSE_DATA_DIR": str(data)}
        self.folder = data / "trading" / "paper_us"

    @contextmanager
    def running(self) -> Iterator[None]:
        words = ["trade", "--scanner", "crp.standard", "--speed", "30"]
        loop = subprocess.Popen(
            [*COMMAND, *words],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: (self.folder / "trade.log").exists())
            wait_until(lambda: holder(self.folder) is not None)
            yield
        finally:
            loop.kill()
            loop.wait()

    def run(self, *words: str) -> Any:
        done = subprocess.run(
            [*COMMAND, *words, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        return json.loads(done.stdout)


@pytest.fixture
def trading(sample: Warehouse, tmp_path: Path) -> Session:
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")
    return Session(data)


def test_a_person_buys_and_closes_while_the_loop_trades(trading: Session) -> None:
    with trading.running():
        bought = trading.run("order", "buy", "IBM", "10", "--stop", "1", "--timeout", "200")
        assert (bought["state"], bought["filled_quantity"]) == ("filled", 10), bought
        denied = trading.run("order", "buy", "IBM", "9000", "--timeout", "200")
        assert (denied["is_obeyed"], denied["code"]) == (False, "ORDER_AMOUNT")
        closed = trading.run("order", "close", "IBM", "--timeout", "200")
        assert closed["message"] == "closed 10 of 10 IBM"
    rows = trading.run("orders")
    assert [
        (row["strategy"], row["reason"], row["side"], row["state"])
        for row in rows
        if row["symbol"] == "IBM"
    ] == [
        ("by_hand", "entry", "buy", "filled"),
        ("by_hand", "entry", "buy", "denied"),
        ("by_hand", "by_hand", "sell", "filled"),
    ]
    # the position is left, and the request that is repeated after the crash buys nothing again
    with trading.running():
        repeated = ("order", "buy", "IBM", "10", "--stop", "1", "--id", bought["request_id"])
        again = trading.run(*repeated, "--timeout", "200")
    assert again["order_id"] == bought["order_id"]
    assert len([row for row in trading.run("orders") if row["symbol"] == "IBM"]) == 3
