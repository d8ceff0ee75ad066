"""Each fault happens to each n-th event that it is about, and no order is lost by it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.cli.venue import _faults
from duckbourse.errors import ConfigurationError
from duckbourse.venue.faults import Fault, Faults
from duckbourse.venue.kite import Answered, Asked
from tests.brokers.contract.cases import RULES
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import CAPITAL
from tests.support.kite import ACCESS_TOKEN, API_KEY, BEGINS_AT, TICK_SIZES, ScriptedVenue

HEADERS = {"authorization": f"token {API_KEY}:{ACCESS_TOKEN}"}


def asked(number: int) -> Asked:
    form = {
        **{"exchange": "NSE", "tradingsymbol": "A", "transaction_type": "BUY", "product": "MIS"},
        **{"order_type": "LIMIT", "price": "99", "quantity": "1", "tag": f"t{number}"},
    }
    return Asked("POST", "/orders/regular", headers=HEADERS, form=form)


def play(folder: Path, fault: Fault) -> tuple[ScriptedVenue, list[Answered], list[int], list[Any]]:
    """Place four orders, of which each second one meets a fault; return answers and updates."""
    answers: list[Answered] = []
    seconds: list[int] = []
    updates: list[dict[str, Any]] = []
    books: list[PaperBroker] = []

    def open_book() -> PaperBroker:
        books.append(PaperBroker(folder, TICK_SIZES, CAPITAL, RULES))
        return books[-1]

    venue = ScriptedVenue(open_book, faults=Faults({fault: 2}), late_seconds=5)

    async def whole(loop: CountedLoop) -> None:
        async def follow() -> None:
            async for text in venue._updates():
                updates.append(json.loads(text)["data"])

        following = asyncio.ensure_future(follow()) if fault is not Fault.RESTART else None
        for number in range(1, 5):
            began = clock.elapsed_seconds()
            answers.append(await venue.answer(asked(number)))
            seconds.append(round(clock.elapsed_seconds() - began))
            await asyncio.sleep(0.1)
        if following is not None:
            following.cancel()
        await venue.end()

    try:
        with clock.driven_by(lambda: BEGINS_AT):
            run_counted(whole, arrival_seconds=0)
    finally:
        for each in books:
            each.close()
    return venue, answers, seconds, updates


KEPT, REFUSED = ["t1", "t2", "t3", "t4"], ["t1", "t3"]


@pytest.mark.parametrize(
    ("fault", "statuses", "lost", "tags"),
    [
        (Fault.LATE_ANSWER, [200, 200], 0, KEPT),
        (Fault.LOST_ANSWER, [200, 200], 2, KEPT),
        (Fault.FAILED_ANSWER, [200, 502], 0, KEPT),
        (Fault.RESTART, [200, 200], 2, KEPT),
        (Fault.REJECTED, [200, 400], 0, REFUSED),
        (Fault.TOO_MANY, [200, 429], 0, REFUSED),
    ],
)
def test_answers(
    tmp_path: Path, fault: Fault, statuses: list[int], lost: int, tags: list[str]
) -> None:
    venue, answers, seconds, _ = play(tmp_path, fault)
    assert [each.status for each in answers] == statuses * 2
    assert [each.is_lost for each in answers] == [False, bool(lost)] * 2
    assert seconds == ([0, 5, 0, 5] if fault is Fault.LATE_ANSWER else [0] * 4)
    assert [each.order_id for each in asyncio.run(venue.paper.orders())] == tags
    assert venue.faults.counts == {fault: 2}


@pytest.mark.parametrize(
    ("fault", "tags", "statuses"),
    [
        (Fault.LOST_UPDATE, REFUSED, {"OPEN"}),
        (Fault.DROPPED_SOCKETS, REFUSED, {"OPEN"}),
        (Fault.DOUBLED_UPDATE, ["t1", "t2", "t2", "t3", "t4", "t4"], {"OPEN"}),
        (Fault.UNKNOWN_STATUS, KEPT, {"OPEN", "AT THE EXCHANGE"}),
    ],
)
def test_updates(tmp_path: Path, fault: Fault, tags: list[str], statuses: set[str]) -> None:
    _, answers, _, updates = play(tmp_path, fault)
    assert {each.status for each in answers} == {200}
    assert [each["tag"] for each in updates] == tags
    assert {each["status"] for each in updates} == statuses


def test_they_are_named_as_in_the_help() -> None:
    assert _faults(["restart=2", "rejected=10"]) == {Fault.RESTART: 2, Fault.REJECTED: 10}
    with pytest.raises(ConfigurationError):
        _faults(["restart=0"])
