"""A command reaches one loop, which answers it; it is not lost, and not obeyed late."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import ConfigurationError, StorageFull
from duckbourse.orders.events import TradingState
from duckbourse.trading import commands
from duckbourse.trading.commands import (
    FOLDER,
    MOST_BYTES,
    Answer,
    Inbox,
    OrderByHand,
    answer_to,
    listed,
    prepare,
    send,
    withdraw,
)
from tests.support.market import Market, at, tick

NOON = datetime(2026, 11, 25, 17, tzinfo=UTC)
ORDERS = [f"order-{number}.prepared" for number in range(commands.PREPARED_ORDERS)]
OBEYED = Answer(is_obeyed=True, message="halted: news")


@pytest.fixture(autouse=True)
def noon(day_of_test: object) -> object:
    with clock.driven_by(lambda: NOON):
        yield


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).iterdir())


def test_a_command_is_answered_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = send(tmp_path, "halt", "news")
    assert answer_to(path, 0) is None
    inbox = Inbox(tmp_path)
    [command] = inbox.take()
    assert (command.name, command.reason, command.request_id) == ("halt", "news", path.stem)
    assert inbox.take() == []
    inbox.answer(command, OBEYED)
    assert answer_to(path, 0) == OBEYED
    assert files(tmp_path) == []


def test_a_file_that_cannot_be_read_loses_no_other_command(tmp_path: Path) -> None:
    send(tmp_path, "halt", "news", request_id="a")
    (tmp_path / FOLDER / "b.json").mkdir()
    send(tmp_path, "resume", "over", request_id="c")
    inbox = Inbox(tmp_path)
    assert [command.name for command in inbox.take()] == ["halt", "resume"]
    assert inbox.take() == []
    assert files(tmp_path) == ["a.taken", "b.refused", "c.taken"]


def test_commands_are_obeyed_in_the_order_in_which_they_were_sent(tmp_path: Path) -> None:
    """With the clock set back between them, an older resume followed a newer halt."""
    send(tmp_path, "resume", "over")
    with clock.driven_by(lambda: NOON - timedelta(hours=1)):
        send(tmp_path, "halt", "news")
    assert [command.name for command in listed(tmp_path)] == ["resume", "halt"]
    assert [command.name for command in Inbox(tmp_path).take()] == ["resume", "halt"]


def test_an_answer_that_is_not_final_waits_for_the_next(tmp_path: Path) -> None:
    path = send(tmp_path, "halt", "news")
    inbox = Inbox(tmp_path)
    [command] = inbox.take()
    accepted = Answer(is_obeyed=True, message="accepted", is_final=False)
    inbox.answer(command, accepted)
    with clock.counted_by(iter([0.0, 0.1, 0.2, 9.0]).__next__):
        assert answer_to(path, 5) == accepted
    inbox.answer(command, OBEYED)
    assert answer_to(path, 0) == OBEYED


def test_a_loop_that_died_leaves_its_command_to_the_next(tmp_path: Path) -> None:
    path = send(tmp_path, "halt", "news")
    Inbox(tmp_path).take()
    assert [command.name for command in listed(tmp_path)] == ["halt"]
    [again] = Inbox(tmp_path).take()
    assert again.request_id == path.stem
    Inbox(tmp_path).answer(again, OBEYED)
    assert Inbox(tmp_path).take() == listed(tmp_path) == []


def test_a_command_that_expired_is_not_obeyed(tmp_path: Path) -> None:
    path = send(tmp_path, "square-off", "enough", seconds=10)
    send(tmp_path, "halt", "news")
    with clock.driven_by(lambda: NOON + timedelta(seconds=10)):
        assert [command.name for command in listed(tmp_path)] == ["halt"]
        assert [command.name for command in Inbox(tmp_path).take()] == ["halt"]
    answer = answer_to(path, 0)
    assert answer is not None
    assert (answer.is_obeyed, answer.message) == (
        False,
        "not obeyed: it expired at 2026-11-25 17:00:10 UTC",
    )


def test_a_replay_does_not_delay_the_expiry(tmp_path: Path) -> None:
    send(tmp_path, "square-off", "enough", seconds=10)
    with (
        clock.driven_by(lambda: NOON + timedelta(seconds=11)),
        clock.replayed_by(lambda: NOON - timedelta(days=3650)),
    ):
        assert Inbox(tmp_path).take() == []


def test_a_command_is_either_withdrawn_or_taken(tmp_path: Path) -> None:
    withdrawn, taken = (send(tmp_path, "halt", "news", request_id=name) for name in ("a", "b"))
    assert withdraw(withdrawn)
    [command] = Inbox(tmp_path).take()
    assert command.request_id == "b"
    assert not withdraw(taken)


def test_an_invalid_file_is_set_aside(tmp_path: Path) -> None:
    path = send(tmp_path, "halt", "news")
    path.write_text("{")
    assert Inbox(tmp_path).take() == []
    assert files(tmp_path) == [f"{path.stem}.refused"]


def deep() -> bytes:
    return b'{"name":"halt","reason":"","by":"","z":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize("suffix", [".json", ".taken"])
@given(
    content=st.binary()
    | st.from_regex(rb'\{"name":"halt","reason":"","by":"[a-z]","(number|expires_at|order)":.*\}')
)
@example(content=deep())
@example(content=b'{"name":"halt","reason":"","by":"","expires_at":"2026-11-25T10:00:00"}')
@example(content=b'{"name":"halt","reason":"","by":"","number":1e40}')
@example(content=b'{"name":"halt","reason":"","by":"","number":%d}' % 10**40)
@example(content=b" " * 2 * MOST_BYTES)
def test_no_file_keeps_a_halt_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    """Such a file beside it ended the whole step, in this loop and in each one after it."""
    folder = tmp_path_factory.mktemp("session")
    first = send(folder, "halt", "first", request_id="b")
    (folder / FOLDER / f"a{suffix}").write_bytes(content)
    second = send(folder, "halt", "second", request_id="c")
    assert {"first", "second"} <= {command.reason for command in listed(folder)}
    inbox = Inbox(folder)
    for command in (taken := inbox.take()):
        inbox.answer(command, OBEYED)
    assert {"first", "second"} <= {command.reason for command in taken}
    assert answer_to(first, 0) == answer_to(second, 0) == OBEYED
    assert inbox.take() == listed(folder) == []


def test_what_is_no_file_keeps_no_halt_back(tmp_path: Path) -> None:
    send(tmp_path, "halt", "news", request_id="b")
    os.mkfifo(tmp_path / FOLDER / "a.json")
    (tmp_path / FOLDER / "c.json").symlink_to("/dev/zero")
    (tmp_path / FOLDER / "d.answer").mkdir()
    (tmp_path / FOLDER / os.fsdecode(b"\xff.json")).write_bytes(b'{"name":"x","reason":"","by":""}')
    prepare(tmp_path)
    send(tmp_path, "halt", "more", request_id="d")
    assert [command.reason for command in Inbox(tmp_path).take()] == ["news", "more"]


@pytest.mark.parametrize("name", ["../../x", "a b", "x" * 41, ".hidden"])
def test_an_id_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an id of a request"):
        send(tmp_path, "halt", "news", request_id=name)


def test_old_answers_are_removed_when_a_session_starts(tmp_path: Path) -> None:
    send(tmp_path, "halt", "news")
    inbox = Inbox(tmp_path)
    inbox.answer(inbox.take()[0], OBEYED)
    prepare(tmp_path)
    assert set(files(tmp_path)) == {"halt.prepared", "square-off.prepared", *ORDERS}


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with what is prepared, on a disk that has space for nothing more."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    prepare(tmp_path)
    monkeypatch.setattr(commands, "_write", full)
    return tmp_path


def test_on_a_full_disk_all_that_closes_is_sent_and_answered(full_disk: Path) -> None:
    """A halt that was taken was reported as not obeyed, and nothing could be closed by hand."""
    wanted = OrderByHand(action="close", target="A")
    paths = [
        send(full_disk, "halt", "news", request_id="a"),
        send(full_disk, "square-off", "enough", request_id="b"),
        send(full_disk, "order", "by hand", request_id="c", order=wanted, seconds=10),
    ]
    inbox = Inbox(full_disk)
    taken = inbox.take()
    assert [(each.name, each.reason) for each in taken] == [
        ("halt", "news"),
        ("square-off", "enough"),
        ("order", "by hand"),
    ]
    assert taken[-1].order == wanted
    for command in taken:
        inbox.answer(command, replace(OBEYED, is_final=False))
        inbox.answer(command, OBEYED)
    assert [answer_to(path, 0) for path in paths] == [OBEYED] * 3
    assert set(files(full_disk)) == set(ORDERS[1:])
    prepare_again = pytest.raises(OSError, match="No space left")
    with prepare_again:
        prepare(full_disk)


def test_a_halt_is_sent_as_it_was_prepared_where_nothing_can_be_written_over(
    full_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(commands, "_write_over", full)
    send(full_disk, "halt", "news")
    [halt] = Inbox(full_disk).take()
    assert (halt.name, halt.reason) == ("halt", "requested, and the disk is full")
    with pytest.raises(StorageFull, match="the disk is full") as raised:
        send(full_disk, "order", "by hand", order=OrderByHand(action="close", target="A"))
    assert "square-off" in raised.value.remedy


def test_what_is_prepared_is_not_given_up_on_a_full_disk(full_disk: Path) -> None:
    prepare(full_disk)
    assert set(files(full_disk)) == {"halt.prepared", "square-off.prepared", *ORDERS}


def test_the_loop_answers_what_it_did(tmp_path: Path) -> None:
    market = Market(tmp_path / "session", signals=[])
    paths = [send(market.folder, name, "news") for name in ("halt", "nonsense", "square-off")]
    trader = market.trade([tick(at(9, 45, 1), 100)])
    assert trader.book.state is TradingState.HALTED
    answers = [answer_to(path, 0) for path in paths]
    assert [(answer.is_obeyed, answer.message) for answer in answers if answer] == [
        (True, "halted: news; no position is open"),
        (False, "there is no command 'nonsense'"),
        (True, "halted: news; no position is open"),
    ]
