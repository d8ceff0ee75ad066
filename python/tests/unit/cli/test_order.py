"""`./bourse order`: whom an order reaches, and what the one who sent it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from duckbourse.orders.journal import lock_folder
from duckbourse.trading.commands import FOLDER, Answer, Command, Inbox
from tests.support import commands
from tests.support.commands import Ended
from tests.unit.cli.test_requests import session, trading

Run = Callable[..., Ended]
pytestmark = pytest.mark.some_day


@pytest.fixture
def bourse(tmp_path: Path) -> Run:
    return partial(commands.bourse, tmp_path)


def filled(_: Command) -> Answer:
    return Answer(
        is_obeyed=True,
        message="10 of 10 A filled at 100.05",
        figures={"state": "filled", "average_price": "100.05", "order_id": "ID"},
    )


def denied(_: Command) -> Answer:
    return Answer(
        is_obeyed=False, message="denied: TICK: limit_price=1.005", figures={"code": "TICK"}
    )


def test_an_order_reaches_the_loop_as_it_was_typed(bourse: Run, tmp_path: Path) -> None:
    prices = ("--limit", "100.10", "--stop", "98", "--target", "110.5")
    words = ("order", "buy", "A", "10", *prices, "--id", "morning-1")
    with trading(session(tmp_path, "one"), filled) as asked:
        done = bourse(*words)
        shown = json.loads(bourse(*words, "--json").stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "one on 2010-05-28: 10 of 10 A filled at 100.05\n"
    assert shown == {
        "account": "one",
        "session_date": "2010-05-28",
        "request_id": "morning-1",
        "is_obeyed": True,
        "is_final": True,
        "message": "10 of 10 A filled at 100.05",
        "state": "filled",
        "average_price": "100.05",
        "order_id": "ID",
    }
    wanted = asked[0].order
    assert wanted is not None and wanted == asked[1].order
    assert asked[0].request_id == asked[1].request_id == "morning-1"
    assert (wanted.action, wanted.target, wanted.quantity) == ("buy", "A", 10)
    terms = (wanted.limit_price, wanted.stop_price, wanted.target_price)
    assert terms == (Decimal("100.10"), Decimal(98), Decimal("110.5"))
    assert asked[0].expires_at is not None


@pytest.mark.parametrize(
    ("words", "action", "terms"),
    [
        ("sell A 5", "sell", {"target": "A", "quantity": 5}),
        ("cancel A", "cancel", {"target": "A"}),
        ("modify A --limit 9.5", "modify", {"target": "A", "limit_price": Decimal("9.5")}),
        ("modify ID --quantity 7", "modify", {"target": "ID", "quantity": 7}),
        ("close A --strategy crp.standard", "close", {"target": "A", "strategy": "crp.standard"}),
    ],
)
def test_every_action_reaches_the_loop(
    bourse: Run, tmp_path: Path, words: str, action: str, terms: dict[str, object]
) -> None:
    with trading(session(tmp_path, "one"), filled) as asked:
        assert bourse("order", *words.split()).returncode == 0
    [command] = asked
    assert command.order is not None and command.order.action == action
    assert {name: getattr(command.order, name) for name in terms} == terms


def test_a_denied_order_fails_with_the_code_of_the_check(bourse: Run, tmp_path: Path) -> None:
    with trading(session(tmp_path, "one"), denied):
        done = bourse("order", "buy", "A", "10", "--limit", "1.005")
        shown = json.loads(bourse("order", "buy", "A", "10", "--json").stdout)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error: buy A: denied: TICK: limit_price=1.005\n  remedy: ")
    assert (shown["is_obeyed"], shown["code"]) == (False, "TICK")


def test_without_a_loop_nothing_is_ordered(bourse: Run, tmp_path: Path) -> None:
    folder = session(tmp_path, "one")
    done = bourse("order", "buy", "A", "10", "--account", "one")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: no loop is trading one: nothing was ordered, since nothing would check the order or"
        " watch its exit\n  remedy: `./bourse trade --account one --date 2010-05-28` goes on with"
        " 2010-05-28\n"
    )
    assert not (folder / FOLDER).exists()


def test_a_denial_names_the_column_of_its_limit(bourse: Run, tmp_path: Path) -> None:
    def deny(_: Command) -> Answer:
        return Answer(is_obeyed=False, message="denied: VAR: …", figures={"code": "VAR"})

    with trading(session(tmp_path, "one"), deny):
        done = bourse("order", "buy", "A", "10", "--timeout", "60")
    assert done.returncode == 7
    assert (
        "  remedy: see max_var_pct of one in seeds/reference/trading_accounts.csv\n"
    ) in done.stderr


def test_an_order_that_no_loop_takes_is_withdrawn(bourse: Run, tmp_path: Path) -> None:
    folder = session(tmp_path, "one")
    with trading(folder):
        done = bourse("order", "buy", "A", "10", "--timeout", "1")
    assert done.returncode == 7
    assert (
        "did not take the order within 1 s, so it is withdrawn and will not be sent" in done.stderr
    )
    assert list((folder / FOLDER).iterdir()) == []


def test_an_order_that_was_taken_and_not_answered_is_asked_again_by_its_id(
    bourse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = session(tmp_path, "one")
    lock = lock_folder(folder)

    def taken(path: Path, seconds: float) -> None:
        assert (Inbox(folder).take()[0].request_id, seconds) == (path.stem, 1)

    monkeypatch.setattr("duckbourse.cli.order.answer_to", taken)
    done = bourse("order", "buy", "A", "10", "--timeout", "1", "--id", "mine")
    lock.close()
    assert done.returncode == 7
    assert "took the order and has not answered within 1 s" in done.stderr
    assert "repeated with --id mine, it orders nothing twice" in done.stderr


def test_of_several_loops_one_is_named(bourse: Run, tmp_path: Path) -> None:
    with trading(session(tmp_path, "one"), filled), trading(session(tmp_path, "two"), filled):
        done = bourse("order", "close", "A")
        assert done.returncode == 2
        assert "2 loops are running: one on 2010-05-28, two on 2010-05-28" in done.stderr
        assert bourse("order", "close", "A", "--account", "two").stdout.startswith("two on ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("buy A 10 --limit dear", "--limit 'dear' is not a price"),
        ("buy A 10 --limit -1", "--limit '-1' is not a price"),
        ("buy A 10 --stop nan", "--stop 'nan' is not a price"),
        ("buy A 0", "Input should be greater than or equal to 1"),
        ("buy A 10 --id ../x", "'../x' is not an id of a request"),
        ("modify A", "nothing is to be modified"),
    ],
)
def test_a_mistake_is_one_line(bourse: Run, tmp_path: Path, words: str, message: str) -> None:
    with trading(session(tmp_path, "one"), filled) as asked:
        done = bourse("order", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert asked == []
