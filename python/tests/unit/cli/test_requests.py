"""Requests to trading loops: whom they reach, and what the one who asks is answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from unittest import mock

import msgspec
import pytest
import structlog

from duckbourse import clock
from duckbourse.orders.events import TradingState, TradingStateChanged
from duckbourse.orders.journal import lock_folder, open_journal
from duckbourse.trading.commands import Answer, Command, Inbox, listed
from duckbourse.trading.session_folder import SessionFolder
from tests.support import commands
from tests.support.commands import Ended

Run = Callable[..., Ended]
NAMES = ("halt", "resume", "square-off")
pytestmark = pytest.mark.some_day


@pytest.fixture
def bourse(tmp_path: Path) -> Run:
    return partial(commands.bourse, tmp_path)


def session(data: Path, account: str, day: int = 28) -> Path:
    """Make the folder of a session; return it."""
    on = date(2010, 5, day)
    folder = data / "trading" / account
    folder.mkdir(parents=True)
    described = SessionFolder(
        account=account,
        session_date=on,
        calendar="XNYS",
        zone_name="America/New_York",
        capital_amount=Decimal(1),
    )
    (folder / "session.json").write_bytes(msgspec.json.encode(described))
    return folder


@contextmanager
def trading(
    folder: Path, answer: Callable[[Command], Answer] | None = None
) -> Iterator[list[Command]]:
    """Trade in a folder: obey what is asked, or hang if there is no `answer`; yield what is."""
    lock = lock_folder(folder)
    asked: list[Command] = []
    inbox, is_over = Inbox(folder), threading.Event()

    def obey() -> None:
        while not is_over.wait(0.001):
            for command in inbox.take():
                asked.append(command)
                if answer is not None:
                    inbox.answer(command, answer(command))

    loop = threading.Thread(target=obey)
    if answer is not None:
        loop.start()
    try:
        # the log of a loop goes to a file
        with structlog.testing.capture_logs():
            yield asked
    finally:
        is_over.set()
        if answer is not None:
            loop.join()
        lock.close()


def did(command: Command) -> Answer:
    return Answer(is_obeyed=True, message=f"{command.name}: done", figures={"position_count": 2})


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_says_what_it_did(bourse: Run, tmp_path: Path, name: str) -> None:
    with trading(session(tmp_path, "one"), did):
        done = bourse(name, "--timeout", "60")
        shown = json.loads(bourse(name, "--timeout", "60", "--json").stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"one on 2010-05-28: {name}: done\n"
    assert shown == [
        {
            "account": "one",
            "session_date": "2010-05-28",
            "is_obeyed": True,
            "message": f"{name}: done",
            "position_count": 2,
        }
    ]


def test_a_refusal_is_an_error(bourse: Run, tmp_path: Path) -> None:
    def refuse(_: Command) -> Answer:
        return Answer(is_obeyed=False, message="the broker differs")

    with trading(session(tmp_path, "one"), refuse):
        done = bourse("resume", "--timeout", "60")
    assert done.returncode == 7
    assert done.stdout == "one on 2010-05-28: resume was refused: the broker differs\n"
    assert str(tmp_path / "trading" / "one" / "trade.log") in done.stderr
    assert done.stderr.startswith("error: resume was not obeyed by one\n  remedy: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_that_hangs_is_an_error(bourse: Run, tmp_path: Path, name: str) -> None:
    folder = session(tmp_path, "one")
    with trading(folder):
        done = bourse(name, "--timeout", "0.05")
    assert done.returncode == 7
    if name == "resume":
        # what resumes by surprise is worse than what does not
        assert "resume is withdrawn: the running loop did not take it within 0.05 s" in done.stdout
        assert listed(folder) == []
    else:
        assert "the request stands until it does" in done.stdout
        assert [command.name for command in listed(folder)] == [name]


def test_a_loop_that_takes_a_request_and_does_not_answer_is_an_error(
    bourse: Run, tmp_path: Path
) -> None:
    folder = session(tmp_path, "one")

    def ignore(inbox: Inbox, *_: object) -> None:
        pass

    with mock.patch.object(Inbox, "answer", ignore), trading(folder, did):
        done = bourse("halt", "--timeout", "2")
    assert done.returncode == 7
    assert "halt was taken by the running loop, which did not answer within 2 s" in done.stdout


def test_the_running_loop_is_addressed_whatever_was_traded_later(
    bourse: Run, tmp_path: Path
) -> None:
    """A request went to the folder that was made last, and the running loop went on."""
    running = session(tmp_path, "one", 27)
    later = session(tmp_path, "two", 28)
    with trading(running, did) as asked:
        for words in ((), ("--account", "one"), ("--all",)):
            assert bourse("halt", *words, "--timeout", "60").returncode == 0
        assert len(asked) == 3
        assert listed(later) == []
        # an account that is named is that one, running or not
        bourse("halt", "--account", "two")
    assert len(listed(later)) == 1 and len(asked) == 3


def test_of_several_loops_one_is_named_or_all_are(bourse: Run, tmp_path: Path) -> None:
    one, two = session(tmp_path, "one"), session(tmp_path, "two")
    with trading(one, did) as first, trading(two, did) as second:
        done = bourse("halt")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "error: 2 loops are running: one on 2010-05-28, two on 2010-05-28\n  remedy: name one:"
            " `./bourse halt` again with --account one, or use --all\n"
        )
        done = bourse("order", "close", "AAPL")
        assert done.stderr.endswith("name one: `./bourse order close` again with --account one\n")
        assert not first and not second
        done = bourse("halt", "--all", "--timeout", "60")
        assert done.stdout == "one on 2010-05-28: halt: done\ntwo on 2010-05-28: halt: done\n"
        assert len(first) == len(second) == 1
        bourse("halt", "--account", "two", "--timeout", "60")
        assert (len(first), len(second)) == (1, 2)
        done = bourse("halt", "--all", "--account", "one")
        assert done.returncode == 2 and "--all cannot be used with" in done.stderr


def test_one_loop_that_hangs_keeps_no_other_from_its_request(bourse: Run, tmp_path: Path) -> None:
    one, two = session(tmp_path, "one"), session(tmp_path, "two")
    with trading(one), trading(two, did) as asked:
        done = bourse("square-off", "--all", "--timeout", "1")
        assert len(asked) == 1
    assert done.returncode == 7
    assert "error: square-off was not obeyed by one\n" in done.stderr


@pytest.mark.parametrize("damage", ["session.json", "commands"])
def test_one_account_that_is_damaged_keeps_no_other_from_its_request(
    bourse: Run, tmp_path: Path, damage: str
) -> None:
    one, two = session(tmp_path, "one"), session(tmp_path, "two")
    (one / damage).write_text("damaged")
    with trading(one), trading(two, did) as asked:
        done = bourse("halt", "--all", "--timeout", "60")
        assert (done.returncode, len(asked)) == (7, 1)
        assert done.stdout == "two on 2010-05-28: halt: done\n"
        assert done.stderr.startswith("error: halt was not sent to all: ")
        assert str(one / damage) in done.stderr and "\n  remedy: " in done.stderr
        assert bourse("halt", "--account", "two", "--timeout", "60").returncode == 0
        assert bourse("halt", "--account", "one").returncode != 0
    assert len(asked) == 2
    with trading(one):
        done = bourse("halt", "--all")
        assert done.returncode == 7, "a loop runs, though nothing reaches it"


def test_a_person_is_asked_which_loop_is_meant(bourse: Run, tmp_path: Path) -> None:
    one, two = session(tmp_path, "one"), session(tmp_path, "two")
    with trading(one, did) as first, trading(two, did) as second:
        with mock.patch("duckbourse.cli.requests._is_person", return_value=True):
            done = bourse("halt", "--timeout", "60", stdin="2\n")
            # the prompt leaves a blank
            assert done.stdout.strip() == "two on 2010-05-28: halt: done"
            assert bourse("halt", stdin="3\n").returncode == 2
        assert (len(first), len(second)) == (0, 1)


def test_without_a_loop_it_is_said_what_happens(bourse: Run, tmp_path: Path) -> None:
    done = bourse("halt")
    assert done.returncode == 2 and "nothing has been traded" in done.stderr
    folder = session(tmp_path, "one")
    done = bourse("halt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "one on 2010-05-28: halt requested; no loop is running, and the next one acts on it at its"
        " start\n"
    )
    assert len(listed(folder)) == 1
    done = bourse("halt", "--all")
    assert done.returncode == 2
    assert "error: no loop is running, so nothing was requested\n" in done.stderr
    # of two accounts, it guesses neither
    session(tmp_path, "two")
    done = bourse("halt")
    assert done.returncode == 2
    assert "error: no loop is running, and 2 accounts were traded: one, two\n" in done.stderr
    assert len(listed(folder)) == 1


def test_a_resume_names_the_halts_that_it_lifts(bourse: Run, tmp_path: Path) -> None:
    folder = session(tmp_path, "one")
    log, _ = open_journal(folder)
    log.append(
        TradingStateChanged(
            at=clock.now(), state=TradingState.HALTED, reason="news", by="me", halt_id="news"
        )
    )
    log.close()
    for name in NAMES:
        done = bourse(name)
        # whoever resumes is shown the halt that waits too, since the resume lifts it
        shown = "; it lifts what waits too: halt: requested (by "
        assert (shown in done.stdout) is (name == "resume")
    halt, resume, square_off = listed(folder)
    assert (resume.lifts, resume.lifts_requests) == (("news",), (halt.request_id,))
    for each in (halt, square_off):
        assert (each.lifts, each.lifts_requests) == (None, ())
