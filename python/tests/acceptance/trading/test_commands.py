"""The trading commands as a user runs them, and the export of fills to a portfolio."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.cli.session import _in_words
from duckbourse.orders.journal import lock_folder
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, Side
from duckbourse.streaming.feed import Records, Tick, microseconds
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import Replay, replay_minutes
from duckbourse.trading import feeds
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import charges_of, load
from duckbourse.warehouse import open_published
from tests.support import commands
from tests.support.commands import Ended
from tests.support.factories import request
from tests.support.warehouse import Warehouse, empty_store

DAY = date(2010, 5, 28)
pytestmark = pytest.mark.some_day
Run = Callable[..., Ended]


@pytest.fixture
def bourse(sample: Warehouse, tmp_path: Path) -> Run:
    """Run a command on a separate data folder with the publication of the sample."""
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")
    return partial(commands.bourse, data)


DAYS = ("2010-05-27", "2010-05-28")


def test_a_session_is_traded_and_reported(bourse: Run, tmp_path: Path) -> None:
    done = bourse("trade", "--scanner", "crp")
    assert done.returncode == 0, done.stderr
    assert "paper_us on 2010-05-28:" in done.stdout
    assert done.stderr.splitlines() == [
        "19 of 35 symbols are not traded, since the feed has no prices of them: AMD, BAC, BBY, …",
        "the minutes of 2010-05-28 are synthetic: what is found or earned in them means nothing",
        "trading the minutes of 2010-05-28 with paper money on account paper_us",
    ]
    rows = {
        name: json.loads(bourse(name, "--json").stdout) for name in ("orders", "positions", "pnl")
    }
    assert {row["strategy"].partition(".")[0] for row in rows["orders"]} == {"crp"}
    (pnl,) = rows["pnl"]
    assert pnl["cash_amount"] == pytest.approx(100_000 + pnl["net_realized_amount"])
    assert sum(row["realized_amount"] for row in rows["positions"]) == pytest.approx(
        pnl["realized_amount"]
    )
    assert all(row["quantity"] == 0 for row in rows["positions"])
    by_strategy = json.loads(bourse("pnl", "--by-strategy", "--json").stdout)
    traded = {row["strategy"] for row in rows["orders"] if row["filled"]}
    assert {row["strategy"] for row in by_strategy} == traded
    assert {row["strategy"] for row in rows["positions"]} == traded
    for name in ("realized_amount", "charges_amount", "net_realized_amount"):
        assert sum(row[name] for row in by_strategy) == pytest.approx(pnl[name])
    done = bourse("reconcile")
    assert "0 differences" in done.stdout
    # the log is JSON, each order with its correlation id
    log = (tmp_path / "data" / "trading" / "paper_us" / "trade.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line["correlation_id"] for line in lines if line["event"] == "order")
    assert {line["at"][:10] for line in lines} == {"2010-05-28"}


def test_a_session_in_use_cannot_be_cleared(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp")
    folder = tmp_path / "data" / "trading" / "paper_us"
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    lock = lock_folder(folder)
    for words in (("trade", "--fresh"), ("trade",), ("reconcile",)):
        done = bourse(*words)
        assert done.returncode == 4
        busy = "its loop compares" if "reconcile" in words else "another process is trading"
        assert busy in done.stderr
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before
    lock.close()
    assert bourse("trade", "--fresh", "--scanner", "crp.standard").returncode == 0
    orders = json.loads(bourse("orders", "--json").stdout)
    assert {order["strategy"] for order in orders} == {"crp.standard"}


def test_a_replay_says_how_long_it_takes(bourse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr("duckbourse.streaming.replay.asyncio.sleep", at_once)
    done = bourse("trade", "--scanner", "crp.standard", "--speed", "60")
    assert done.stderr.endswith(
        "trading the minutes of 2010-05-28, 60 x with paper money on account paper_us,"
        " for 6.5 minutes\n"
    )


def test_a_dry_run_sends_nothing(bourse: Run, tmp_path: Path) -> None:
    done = bourse("trade", "--dry-run", "--scanner", "crp.standard", "--json")
    requests = json.loads(done.stdout)
    assert {request["strategy"] for request in requests} == {"crp.standard"}
    assert not (tmp_path / "data" / "trading").exists()


def test_a_session_is_resumed_only_with_its_own_options(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp")
    folder = tmp_path / "data" / "trading" / "paper_us"
    again = "./bourse trade --account paper_us --date 2010-05-28 --scanner crp"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for words, given in (
        (("--preset", "aggressive"), "--preset aggressive"),
        (("--scanner", "gap", "--scanner", "crp"), "--scanner crp --scanner gap"),
        (("--scan", "--scanner", "crp"), "--scanner crp --scan"),
        (("--scanner", "crp", "--seed", "2"), "--scanner crp --seed 2"),
        ((), "none"),
    ):
        done = bourse("trade", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-2:] == [
            f"error: paper_us traded 2010-05-28 with --scanner crp before, not with {given}",
            f"  remedy: `{again}` resumes that; --fresh discards it, and another --account leaves"
            " it alone",
        ]
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert "this session is over" in bourse(*again.split()[1:]).stderr


def test_sessions_go_forward_and_each_is_shown(bourse: Run, tmp_path: Path) -> None:
    first, second = (("trade", "--scanner", "crp", "--date", f"2010-05-{day}") for day in (27, 28))
    for words, day in ((first, 27), (first, 27), (second, 28)):
        assert bourse(*words).returncode == 0
        assert bourse("pnl").stdout.startswith(f"paper_us on 2010-05-{day}\n")
    folder = tmp_path / "data" / "trading" / "paper_us"
    rows = {day: json.loads(bourse("pnl", "--date", day, "--json").stdout)[0] for day in DAYS}
    earned = rows[DAYS[0]]["net_realized_amount"]
    assert rows[DAYS[0]]["cash_amount"] == pytest.approx(100_000 + earned)
    assert rows[DAYS[1]]["cash_amount"] == pytest.approx(
        rows[DAYS[0]]["cash_amount"] + rows[DAYS[1]]["net_realized_amount"]
    )
    done = bourse(*first)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-2:] == [
        "error: paper_us has traded 2010-05-28, which is after 2010-05-27",
        "  remedy: a later date goes on; --fresh discards what was traded from"
        " 2010-05-27 on, and another --account leaves it alone",
    ]
    before = json.loads(bourse("orders", "--date", DAYS[0], "--json").stdout)
    assert bourse(*first, "--fresh").returncode == 0
    assert json.loads(bourse("orders", "--json").stdout) == before
    assert bourse("pnl", "--date", DAYS[1]).returncode == 2
    kept = {path.name for path in folder.glob("archive/discarded-*/*")}
    assert {f"{day}.jsonl.gz" for day in DAYS} <= kept
    done = bourse("pnl", "--account", "paper_india", "--date", "2010-05-28")
    assert done.stderr == (
        "error: nothing has been traded by paper_india on 2010-05-28\n"
        "  remedy: `./bourse trade --account paper_india --date 2010-05-28` trades it; the"
        " last one traded is paper_us on 2010-05-27\n"
    )


@pytest.mark.parametrize("name", ["*", "../x", "a/b", ".."])
def test_the_name_of_an_account_is_no_pattern(bourse: Run, name: str) -> None:
    done = bourse("orders", "--account", name)
    assert done.returncode == 2
    assert f"error: {name!r} is not the name of an account\n" in done.stderr


def test_a_halt_outlives_a_fresh_start_until_it_is_lifted(bourse: Run) -> None:
    words = ("trade", "--scanner", "crp.standard")
    bourse(*words)
    bourse("halt", "--reason", "news at noon")
    pending = (
        "a request to halt is pending and will be obeyed: news at noon; `./bourse resume` revokes"
        " it\n"
    )
    done = bourse(*words, "--fresh")
    assert pending in done.stderr
    assert "\n  halted: news at noon; `./bourse resume` lifts it\n" in done.stdout
    assert done.returncode == 7
    assert "error: paper_us on 2010-05-28 ended halted: news at noon\n" in done.stderr
    assert json.loads(bourse("orders", "--json").stdout) == []
    # the loop has obeyed it, and what it wrote down is discarded aloud
    done = bourse(*words, "--fresh")
    assert pending not in done.stderr
    assert (
        "--fresh discards that the account was halted: news at noon; `./bourse halt` halts it"
        " again\n"
    ) in done.stderr
    assert len(json.loads(bourse("orders", "--json").stdout)) > 0
    for name in ("halt", "resume"):
        bourse(name)
    assert "pending" not in bourse(*words, "--fresh").stderr
    assert len(json.loads(bourse("orders", "--json").stdout)) > 0


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("SECTOR_AMOUNT: amount=9.00, max_amount=8.00", "amount 9.00, and the limit is 8.00"),
        ("TICK: limit_price=1.03, tick_size=0.05", "limit price 1.03, tick size 0.05"),
        ("TRADING_STATE: state=halted, reason=news", "state halted, reason news"),
        ("TRADING_STATE: state=halted, reason=a_b = c", "state halted, reason a_b = c"),
    ],
)
def test_a_denied_order_says_why_in_words(message: str, shown: str) -> None:
    check = message.partition(":")[0].lower().replace("_", " ")
    denied = Order(request=request(), state=State.DENIED, message=message)
    assert _in_words(denied) == f"{check}: {shown}"
    # the word of a broker is its own
    rejected = Order(request=request(), state=State.REJECTED, message=message)
    assert _in_words(rejected) == message


def test_the_check_of_var_is_written_as_the_trade_does() -> None:
    message = "VAR: amount=2.00, max_amount=1.00, confidence=0.99"
    denied = Order(request=request(), state=State.DENIED, message=message)
    assert _in_words(denied) == "VaR: amount 2.00, and the limit is 1.00, confidence 0.99"


@pytest.mark.parametrize("name", ["halt", "resume", "square-off"])
def test_commands_wait_for_the_loop(bourse: Run, tmp_path: Path, name: str) -> None:
    bourse("trade", "--scanner", "crp")
    done = bourse(name)
    assert done.returncode == 0
    assert done.stdout == (
        f"paper_us on 2010-05-28: {name} requested; no loop is running, and the next one acts on it"
        " at its start\n"
    )
    folder = tmp_path / "data" / "trading" / "paper_us" / "commands"
    assert len(list(folder.glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("orders",), 2, "nothing has been traded"),
        (("trade", "--account", "mine"), 2, "there is no account 'mine'"),
        (("trade", "--account", "paper_su"), 2, "'paper_su'; did you mean 'paper_us'?"),
        (("trade", "--date", "2010-05-29"), 2, "2010-05-29 is not a session of XNYS"),
        (("trade", "--date", "2015-06-01"), 2, "there are no minute bars of 2015-06-01"),
        (("trade", "--account", "paper_india"), 2, "there are no minute bars of XNSE"),
    ],
)
def test_a_mistake_is_one_line(
    bourse: Run, words: tuple[str, ...], code: int, message: str
) -> None:
    done = bourse(*words)
    assert done.returncode == code
    assert done.stderr.count("error:") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("scanner", "error", "remedy"),
    [
        (
            "crp.standrd",
            "there is no preset 'crp.standrd'; did you mean 'crp.standard'?",
            "choose among crp.standard, crp.aggressive, crp.conservative, crp.high_probability",
        ),
        (
            "cpr.standard",
            "there is no preset 'cpr.standard'; did you mean 'crp.standard'?",
            "choose among breakout, crp, gap, momentum, new_high, opening_range, pattern,"
            " relative_volume, sideways, technical",
        ),
        (
            "gaps",
            "there is no scanner 'gaps'; did you mean 'gap'?",
            "choose among breakout, crp, gap, momentum, new_high, opening_range, pattern,"
            " relative_volume, sideways, technical",
        ),
        (
            "sideways",
            "sideways is a filter: it has no signals to trade",
            "choose among breakout, crp, gap, momentum, new_high, opening_range, pattern,"
            " relative_volume, technical",
        ),
        (
            ".standrd",
            "there is no preset 'standrd'; did you mean 'standard'?",
            "choose among aggressive, conservative, daily, half_year, high_probability, intraday,"
            " month, quarter_hour, standard, strict, wide",
        ),
    ],
)
def test_a_scanner_that_does_not_exist_leaves_the_book_as_it_is(
    bourse: Run, tmp_path: Path, scanner: str, error: str, remedy: str
) -> None:
    book = tmp_path / "data" / "trading" / "paper_us" / "journal.arrow"
    book.parent.mkdir(parents=True)
    book.write_text("what was traded")
    for words in (("--fresh",), ("--dry-run",), ("--scan", "--fresh"), ()):
        done = bourse("trade", "--scanner", scanner, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: {error}\n  remedy: {remedy}\n"
    assert [path.name for path in book.parent.iterdir()] == [book.name]
    assert book.read_text() == "what was traded"


def test_a_preset_is_named_with_its_scanner_or_alone(bourse: Run) -> None:
    def strategies(*words: str) -> set[str]:
        rows = json.loads(bourse("trade", "--dry-run", "--json", *words).stdout)
        return {row["strategy"] for row in rows}

    assert strategies("--scanner", "crp", "--preset", "standard") == {"crp.standard"}
    of_all = strategies("--preset", "standard")
    assert "crp.standard" in of_all and len(of_all) > 1
    assert {name.partition(".")[2] for name in of_all} == {"standard"}


def test_a_scanner_that_waits_for_the_build_is_not_scanned_live(bourse: Run) -> None:
    done = bourse("trade", "--scan", "--scanner", "pattern", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-2:] == [
        "error: pattern cannot be scanned live; its signals come from the build",
        "  remedy: choose among breakout, crp, gap, momentum, new_high, opening_range,"
        " relative_volume, technical, or trade the published signals, without --scan",
    ]


def test_every_signal_is_accounted_for_and_a_second_run_says_so(bourse: Run) -> None:
    done = bourse("trade", "--json")
    end = json.loads(done.stdout)
    denied = sum(end["denied"].values())
    assert end["signals"] == len(end["round_trips"]) + denied + end["without_order"]
    assert min(denied, end["without_order"]) > 0
    assert "resuming" not in done.stderr
    shown = [line for line in bourse("orders").stdout.splitlines() if " denied " in line]
    assert len(shown) == denied
    assert shown[0].endswith("  positions 11, and the limit is 10")
    again = bourse("trade")
    assert "this session is over: it was traded to its end; --fresh discards it" in again.stderr
    assert ", 0 ticks, " in again.stdout
    assert f"  {denied} orders denied by the check POSITIONS\n" in again.stdout
    assert (
        f"  {end['without_order']} signals without an order: the symbol was already" in again.stdout
    )


def stop_at(monkeypatch: pytest.MonkeyPatch, hour: int, minute: int = 0) -> None:
    """Have a replay stopped by Ctrl-C at a time of New York, with whatever is held then."""
    on_records = Trader.on_records
    until = datetime(2010, 5, 28, hour + 4, minute, tzinfo=UTC)

    async def stopped(trader: Trader, records: Records) -> None:
        if clock.now() >= until:
            raise KeyboardInterrupt
        await on_records(trader, records)

    monkeypatch.setattr(Trader, "on_records", stopped)


def test_a_session_that_was_reconciled_in_between_goes_on_where_it_stopped(
    bourse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded beside the loop is of the session's time, not of the machine's."""
    with monkeypatch.context() as patched:
        stop_at(patched, 11)
        stopped = bourse("trade", "--scanner", "crp")
        assert stopped.returncode == 130
        assert "stopped, and nothing watches what is left: positions open: " in stopped.stderr
    held = [row for row in json.loads(bourse("positions", "--json").stdout) if row["quantity"]]
    assert held
    for row in held:
        gained = (row["last_price"] - row["average_price"]) * row["quantity"]
        assert row["unrealized_amount"] == pytest.approx(gained)
        assert "10:5" in row["last_at"], row
        assert row["stop_price"] < row["last_price"] if row["quantity"] > 0 else True
    (pnl,) = json.loads(bourse("pnl", "--json").stdout)
    shown = json.loads(bourse("account", "show", "--json").stdout)
    worth = sum(row["last_price"] * row["quantity"] for row in held)
    assert shown["equity_amount"] == pytest.approx(pnl["cash_amount"] + worth)
    exposed = sum(row["last_price"] * abs(row["quantity"]) for row in held)
    assert (shown["product"], shown["used_amount"]) == ("MIS", pytest.approx(exposed / 4))
    power = pytest.approx(4 * shown["available_amount"])
    assert 0 < shown["buying_power_amount"] == power
    assert "buying power" in bourse("account", "show").stdout
    assert pnl["equity_amount"] == shown["equity_amount"]
    assert pnl["unrealized_amount"] == pytest.approx(sum(row["unrealized_amount"] for row in held))
    for _ in range(2):
        assert bourse("reconcile").returncode == 0
    done = bourse("trade", "--scanner", "crp")
    assert done.returncode == 0, done.stderr
    assert re.search(r"resuming this session from (09|10):", done.stderr), done.stderr
    assert "open positions" not in done.stdout
    whole = bourse("trade", "--scanner", "crp", "--fresh", "--json")
    assert f"equity {json.loads(whole.stdout)['equity_amount']:,.2f}\n" in done.stdout


def test_a_session_that_ends_with_an_intraday_position_open_fails(
    bourse: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as where its ticks end before its square-off."""
    batches = Replay.batches
    until = microseconds(datetime(2010, 5, 28, 15, tzinfo=UTC))
    monkeypatch.setattr(
        Replay,
        "batches",
        lambda feed: (each for each in batches(feed) if each["received_at"][0] < until),
    )
    done = bourse("trade", "--scanner", "crp.conservative")
    assert done.returncode == 9
    assert "paper_us on 2010-05-28 ended with intraday positions open: " in done.stderr
    assert "MMM -14" in done.stderr
    assert "  open positions: " in done.stdout


STRATEGY = """
from duckbourse.trading.strategy import Strategy


class Failing(Strategy):
    count = 0

    def generate_orders(self, context):
        self.count += 1
        return [] if self.count < 100 else {result}
"""


@pytest.mark.parametrize(
    ("result", "error"),
    [("1 / 0", "ZeroDivisionError('division by zero')"), ("None", "returned None: return a list")],
)
def test_a_strategy_that_fails_is_reported_at_once_and_at_the_end(
    bourse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, error: str
) -> None:
    name = f"failing_{abs(hash(result))}"
    (tmp_path / f"{name}.py").write_text(STRATEGY.format(result=result))
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = ("trade", "--strategy", f"{name}:Failing")
    tried = bourse(*asked, "--dry-run")
    assert tried.returncode == 10
    assert "error: the strategy failing failed, and was not asked again: " in tried.stderr
    assert error in tried.stderr and "Traceback" not in tried.stderr
    done = bourse(*asked)
    assert done.returncode == 10
    notes = [line for line in done.stderr.splitlines() if "failed, and opens nothing more" in line]
    assert len(notes) == 1 and error in notes[0]
    assert "  the strategy failing failed, and opened nothing more: " in done.stdout
    assert " signal" not in done.stdout
    shown = bourse("account", "show").stdout
    assert "reducing, the strategy failing failed" in shown
    assert bourse(*asked, "--json").returncode == 0  # it is over, and nothing is asked


def test_a_difference_stops_trading(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp")
    folder = tmp_path / "data" / "trading" / "paper_us"
    lines = (folder / "paper.jsonl").read_bytes().splitlines(keepends=True)
    # the broker loses a trade
    kept = [line for line in lines if b'"T000003"' not in line and b"T000003" not in line]
    assert len(kept) == len(lines) - 1
    (folder / "paper.jsonl").write_bytes(b"".join(kept))
    done = bourse("reconcile")
    assert done.returncode == 7
    assert "MIS:" in done.stdout
    done = bourse("trade", "--scanner", "crp")
    assert done.returncode == 7
    assert "its book differs from the broker's" in done.stderr


def test_what_reconcile_books_has_its_charges(bourse: Run, tmp_path: Path) -> None:
    """A kill between the fill at the broker and the journal left its charges out for ever."""
    bourse("trade", "--scanner", "crp.standard")
    [before] = json.loads(bourse("pnl", "--json").stdout)
    with open_published(tmp_path / "data" / "duckbourse.duckdb") as connection:
        charges = charges_of(connection, "paper_us")
    sold_at = datetime(2010, 5, 28, 19, 30, tzinfo=UTC)
    broker = PaperBroker(
        tmp_path / "data" / "trading" / "paper_us",
        {"KO": Decimal("0.01")},
        Decimal(100_000),
        FillRules(slippage_bps=Decimal(0)),
        charges,
    )
    asked = request("lost", symbol="KO", side=Side.SELL, quantity=1000, limit_price=Decimal(40))
    with clock.driven_by(lambda: sold_at):
        asyncio.run(broker.place(asked))
    broker.on_tick(Tick("KO", sold_at + timedelta(seconds=9), Decimal(50), 1_000_000, True))
    broker.close()
    assert bourse("reconcile").returncode == 0
    [pnl] = json.loads(bourse("pnl", "--json").stdout)
    (owed,) = {trade.charges_amount for trade in broker._trades if trade.fill.symbol == "KO"}
    assert owed is not None
    assert pnl["charges_amount"] - before["charges_amount"] == pytest.approx(float(owed))
    assert owed > 0


def test_fills_become_a_portfolio(bourse: Run, tmp_path: Path) -> None:
    """The columns are those of the empty file for dbt; repeated exports keep each fill once."""
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
        strategies = connection.execute(
            f"select distinct strategy from '{folder}/*.parquet'"
        ).fetchall()
    assert count == keys >= 20
    assert bought == sold
    orders = json.loads(bourse("orders", "--json").stdout)
    assert {name for (name,) in strategies} == {
        order["strategy"] for order in orders if order["filled"]
    }


def test_every_session_of_an_account_is_exported_at_once(bourse: Run, tmp_path: Path) -> None:
    for day in DAYS:
        bourse("trade", "--scanner", "crp.standard", "--date", day)
    done = bourse("journal", "export")
    assert "1 session of paper_us not exported yet, such as 2010-05-27: --all" in done.stderr
    done = bourse("journal", "export", "--all")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "not exported" not in done.stderr
    folder = tmp_path / "data" / "raw" / "fills"
    assert sorted(each.name for each in folder.glob("paper_us-*")) == [
        f"paper_us-{day}.parquet" for day in DAYS
    ]
    assert bourse("journal", "export", "--all", "--date", DAYS[0]).returncode == 2


def test_a_damaged_journal_is_repaired_without_a_publication(bourse: Run, tmp_path: Path) -> None:
    bourse("trade", "--scanner", "crp.standard")
    data = tmp_path / "data"
    with sqlite3.connect(data / "trading" / "paper_us" / "journal.sqlite") as connection:
        connection.execute("update events set body = '{' where row = 9")
    connection.close()
    published = data / "duckbourse.duckdb"
    published.rename(data / "aside")
    done = bourse("reconcile")
    assert done.returncode == 5
    assert "error: the journal can be read, unreadable from row 9, kept as " in done.stderr
    assert "it is not compared with the broker: nothing has been published" in done.stderr
    (data / "aside").rename(published)
    assert "unreadable from row 9, kept as " in bourse("reconcile").stdout


LAST = ("--date", "2010-05-28")


def round_trips_of(done: Ended) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    round_trips: list[dict[str, Any]] = json.loads(done.stdout)["round_trips"]
    return round_trips


def test_recorded_ticks_are_scanned_and_traded(
    bourse: Run, sample: Warehouse, tmp_path: Path
) -> None:
    """The session's minutes, recorded as ticks, trade like the scanned minutes."""
    connection = open_published(sample.data / "duckbourse.duckdb")
    publication = load(connection, "paper_us", DAY, frozenset())
    feed = replay_minutes(connection, DAY, "XNYS", publication.zone, publication.instruments, 0)
    connection.close()
    header = LogHeader(
        session_date=DAY, calendar="XNYS", source="s", recording="mine", symbols=feed.symbols
    )
    recorder = Recorder(tmp_path / "data" / "raw" / "ticks", header)
    with clock.driven_by(lambda: feed.end):
        for records in feed.batches():
            recorder.write(records)
        recorder.close()
    of_ticks = round_trips_of(bourse("trade", "--feed", "ticks", "--json"))
    assert len(of_ticks) >= 8
    of_minutes = round_trips_of(bourse("trade", "--scan", "--fresh", "--json"))
    same = [round_trip for round_trip in of_ticks if round_trip in of_minutes]
    # recorded ticks of one instant are in sequence, so fills and ranks may swap
    assert len(same) >= len(of_minutes) - 2
    requests = json.loads(bourse("trade", "--feed", "ticks", "--dry-run", "--json").stdout)
    assert len(requests) >= len(of_ticks)


def test_a_simulated_session_is_reproducible(
    bourse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a tenth of the command's ticks
    monkeypatch.setattr(feeds, "SIMULATED_TICKS", 200)
    words = ("trade", "--feed", "simulated", "--fresh", "--json")
    first = round_trips_of(bourse(*words, "--seed", "3"))
    assert first == round_trips_of(bourse(*words, "--seed", "3"))
    assert first != round_trips_of(bourse(*words, "--seed", "4"))
    # synthetic ticks are not recorded
    assert list((tmp_path / "data" / "raw" / "ticks").glob("2*")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--feed", "ticks", *LAST), "no ticks of XNYS on 2010-05-28 were recorded"),
        (("--feed", "zerodha"), "the API key for Kite is missing"),
        (("--feed", "nothing"), "'nothing' is not one of"),
        (("--feed", "zerodha", *LAST), "--feed zerodha is live: it takes neither --date nor"),
        (("--feed", "zerodha", "--speed", "60"), "--feed zerodha is live: it takes neither --date"),
        (("--instruments", "NSE.csv"), "--feed minutes does not use --instruments"),
        (
            ("--feed", "ticks", *LAST, "--instruments", "N"),
            "--feed ticks does not use --instruments",
        ),
        (
            ("--feed", "simulated", "--instruments", "N"),
            "--feed simulated does not use --instruments",
        ),
    ],
)
def test_a_missing_feed_is_an_error(bourse: Run, words: tuple[str, ...], message: str) -> None:
    done = bourse("trade", *words)
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
