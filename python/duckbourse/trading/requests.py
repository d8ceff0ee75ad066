"""Requests of a person to the loop of an account, and what became of each."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from duckbourse.errors import BourseError, ConfigurationError, JournalError, TradingError
from duckbourse.trading.commands import Answer, listed, send, withdraw
from duckbourse.trading.session_folder import (
    SessionFolder,
    folder_of,
    has_ended,
    interruption,
    is_traded,
    latest,
    read,
    resumption,
)

LOOP_ANSWER_SECONDS = 10.0


def send_request(session: SessionFolder, name: str, reason: str) -> Path:
    """
    Send a halt, a square-off or a resume, which lifts what halts the account by now.

    None of them needs the book: of one that cannot be read, a resume lifts no halt that nobody saw.
    """
    lifts: tuple[str, ...] | None = None
    if name == "resume":
        lifts = ()
        with suppress(JournalError):
            lifts = tuple(read(session)[0].halts)
    return send(session.path, name, reason, lifts=lifts)


def lifted_by(account: str) -> str:
    """Return what lifts the halt of an account, in words: a resume that waits already, or one."""
    if is_resume_waiting(folder_of(account)):
        return "a resume waits, and the account's next session acts on it at its start"
    return f"`./bourse resume --account {account}` lifts it"


def is_resume_waiting(folder: Path) -> bool:
    """Return whether a resume is the last request that an account's next loop acts on."""
    asked = [each.name for each in listed(folder) if each.name != "order"]
    return asked[-1:] == ["resume"]


def outcome(
    name: str, session: SessionFolder, path: Path, answer: Answer | None, seconds: float
) -> dict[str, Any]:
    """Return what became of a request; `is_obeyed` is None if no loop is there to obey it."""
    is_obeyed: bool | None = False
    if answer is not None:
        is_obeyed = answer.is_obeyed
        message = answer.message if is_obeyed else f"{name} was refused: {answer.message}"
    elif not is_traded(session):
        is_obeyed = None
        message = f"{name} requested; no loop is running, and the next one acts on it at its start"
        with suppress(BourseError):  # the request stands, whatever is left cannot be read
            if left := interruption(session, *read(session)):
                message += f"; {left}"
        if lifted := _waiting_halts(session, path):
            message += f"; it lifts what waits too: {', '.join(lifted)}"
    elif name == "resume" and withdraw(path):
        message = f"{name} is withdrawn: the running loop did not take it within {seconds:g} s"
    elif path.exists():
        message = (
            f"{name} requested, but the running loop did not take it within {seconds:g} s;"
            " the request stands until it does"
        )
    else:
        message = f"{name} was taken by the running loop, which did not answer within {seconds:g} s"
    return {
        "account": session.account,
        "session_date": session.session_date,
        "is_obeyed": is_obeyed,
        "message": message,
        **(answer.figures if answer is not None else {}),
    }


def _waiting_halts(session: SessionFolder, path: Path) -> list[str]:
    waiting = {command.request_id: command for command in listed(session.path)}
    sent = waiting.get(path.stem)
    halts = [waiting.get(request_id) for request_id in sent.lifts_requests] if sent else []
    return [f"{halt.name}: {halt.reason} (by {halt.by})" for halt in halts if halt is not None]


def unanswered_order(
    session: SessionFolder, path: Path, seconds: float, remedy: str
) -> TradingError:
    """Withdraw an order that no loop answered in time, if none took it; return what to raise."""
    if withdraw(path):
        return TradingError(
            f"the loop of {session.account} did not take the order within {seconds:g} s, so it"
            " is withdrawn and will not be sent",
            f"look at {session.log}; a longer --timeout waits longer",
        )
    return TradingError(
        f"the loop of {session.account} took the order and has not answered within {seconds:g} s",
        remedy,
    )


def no_loop(account: str | None) -> ConfigurationError:
    """Return the error for an order by hand to an account that no loop trades."""
    start = f"`./bourse trade{f' --account {account}' if account else ''}` starts one"
    with suppress(BourseError):  # of an account that never traded, or cannot be read
        session = latest(account, None)
        if not has_ended(session, read(session)[1]):
            start = f"`{resumption(session)}` goes on with {session.session_date}"
    return ConfigurationError(
        f"no loop is trading{f' {account}' if account else ''}: nothing was ordered, since"
        " nothing would check the order or watch its exit",
        start,
    )
