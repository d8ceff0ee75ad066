"""The commands of trading, as a user gives them; and fills from the journal to a portfolio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from duckbourse.orders.journal import lock_folder
from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse, empty_store, sample

__all__ = ["sample"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bourse(sample: Warehouse, tmp_path: Path) -> Run:
    """Run a command on a data folder of its own that has the sample's publication."""
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "duckbourse.cli", *words],
            env={
                **os.environ,
                "BOURSE_DATA_DIR": str(data),
                "PYTHONPATH": str(PROJECT / "python"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_session_is_traded_and_told(bourse: Run, tmp_path: Path) -> None:
    done = bourse("trade", "--scanner", "crp")
    assert done.returncode == 0, done.stderr
    assert "paper_us on 2010-05-28:" in done.stdout
    rows = {
        name: json.loads(bourse(name, "--json").stdout) for name in ("orders", "positions", "pnl")
    }
    assert {row["strategy"].partition(".")[0] for row in rows["orders"]} == {"crp"}
    (pnl,) = rows["pnl"]
    assert pnl["cash_amount"] == pytest.approx(100_000 + pnl["net_amount"])
    assert sum(row["realised_amount"] for row in rows["positions"]) == pytest.approx(
        pnl["realised_amount"]
    )
    assert all(row["quantity"] == 0 for row in rows["positions"])
    done = bourse("reconcile")
    assert "0 differences" in done.stdout
    # the log is JSON, each order with what it follows
    log = (tmp_path / "data" / "trading" / "paper_us" / "2010-05-28" / "trade.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line["correlation_id"] for line in lines if line["event"] == "order")
    assert {line["at"][:10] for line in lines} == {"2010-05-28"}


def test_nobody_forgets_what_another_trades(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp")
    folder = tmp_path / "data" / "trading" / "paper_us" / "2010-05-28"
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    lock = lock_folder(folder)
    for words in (("trade", "--fresh"), ("trade",), ("reconcile",)):
        done = bourse(*words)
        assert done.returncode == 4
        assert "another process trades" in done.stderr
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before
    lock.close()
    assert bourse("trade", "--fresh", "--scanner", "crp.standard").returncode == 0
    orders = json.loads(bourse("orders", "--json").stdout)
    assert {order["strategy"] for order in orders} == {"crp.standard"}


def test_what_would_be_sent_is_not_sent(bourse: Run, tmp_path: Path) -> None:
    done = bourse("trade", "--dry-run", "--scanner", "crp.standard", "--json")
    wishes = json.loads(done.stdout)
    assert {wish["strategy"] for wish in wishes} == {"crp.standard"}
    assert not (tmp_path / "data" / "trading").exists()


@pytest.mark.parametrize("name", ["halt", "resume", "square-off"])
def test_commands_wait_for_the_loop(bourse: Run, tmp_path: Path, name: str) -> None:
    bourse("trade", "--scanner", "crp")
    done = bourse(name)
    assert done.stdout == f"paper_us on 2010-05-28: {name} is asked for\n"
    folder = tmp_path / "data" / "trading" / "paper_us" / "2010-05-28" / "commands"
    assert len(list(folder.glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("orders",), 2, "nothing was traded yet"),
        (("trade", "--account", "mine"), 2, "there is no account 'mine'"),
        (("trade", "--date", "2010-05-29"), 2, "2010-05-29 is no session of XNYS"),
        (("trade", "--date", "2015-06-01"), 2, "there are no minute bars of 2015-06-01"),
        (("trade", "--account", "paper_india"), 2, "there are no minute bars of XNSE"),
    ],
)
def test_a_mistake_is_one_line(bourse: Run, words: tuple[str, ...], code: int, told: str) -> None:
    done = bourse(*words)
    assert done.returncode == code
    assert done.stderr.count("error:") == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_difference_keeps_it_from_trading(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp")
    folder = tmp_path / "data" / "trading" / "paper_us" / "2010-05-28"
    lines = (folder / "paper.jsonl").read_bytes().splitlines(keepends=True)
    # the broker forgets a trade
    kept = [line for line in lines if b'"T000003"' not in line and b"T000003" not in line]
    assert len(kept) == len(lines) - 1
    (folder / "paper.jsonl").write_bytes(b"".join(kept))
    done = bourse("reconcile")
    assert done.returncode == 7
    assert "MIS:" in done.stdout
    done = bourse("trade", "--scanner", "crp")
    assert done.returncode == 7
    assert "the broker differs" in done.stderr


def test_fills_become_a_portfolio(bourse: Run, tmp_path: Path) -> None:
    """As dbt reads them: the columns of the empty file, each fill once, however often exported."""
    bourse("trade")
    for _ in range(2):
        done = bourse("journal", "export")
        assert done.returncode == 0, done.stderr
    folder = tmp_path / "data" / "raw" / "fills"
    with duckdb.connect() as connection:

        def described(path: Path) -> list[tuple[object, ...]]:
            return connection.execute(f"describe from '{path}'").fetchall()

        (written,) = folder.glob("paper_us-*.parquet")
        assert described(written) == described(folder / "zz_empty.parquet")
        ((count, keys, bought, sold),) = connection.execute(
            "select count(*), count(distinct fill_key), sum(quantity) filter (side = 'buy'),"
            f" sum(quantity) filter (side = 'sell') from '{folder}/*.parquet'"
        ).fetchall()
    assert count == keys >= 20
    assert bought == sold
