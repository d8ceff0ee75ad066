"""A delivery is withdrawn as a whole or not at all, is never lost, and stays withdrawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from duckbourse.errors import BadInput, StorageFull, StoreBusy
from duckbourse.ingest import Outcome, RawStore, run, withdrawals
from duckbourse.ingest.deliveries import listed, refuse_twice, short
from duckbourse.ingest.owners import refuse_two_calendars
from duckbourse.ingest.run import wrap_full_disk
from duckbourse.ingest.withdrawals import again, reinstate, withdraw, withdrawn
from tests.support.stores import DELIVERED_AT, Shop

STATED: dict[str, Any] = {"calendar": "XNYS", "source": "vendor"}
NOW = DELIVERED_AT + timedelta(days=1)


def days(count: int) -> list[str]:
    return [f"2024-01-{day:02d},1,2,1,1,5" for day in range(2, 2 + count)]


def change(
    shop: Shop, act: Callable[..., datetime], *names: str, reason: str | None = None
) -> None:
    """Withdraw or reinstate deliveries, as the command does."""
    with duckdb.connect() as con, wrap_full_disk(shop.store.root), shop.store.writing(con):
        act(con, shop.store, names, NOW, reason)


def gone(shop: Shop) -> dict[str, str | None]:
    """Return the withdrawn deliveries, with reasons."""
    with duckdb.connect() as con:
        return {name: one.reason for name, one in withdrawn(con, shop.store).items()}


def test_the_last_record_counts_even_if_the_clock_stands_still(shop: Shop) -> None:
    reports = shop.run(shop.csv("A.csv", days(2)), shop.csv("B.csv", days(3)), **STATED)
    a, b = (str(report.delivery) for report in reports)
    before = shop.files()
    change(shop, withdraw, a, b, reason="it's the wrong file")
    assert gone(shop) == dict.fromkeys((a, b), "it's the wrong file")
    change(shop, reinstate, a, reason="no")
    assert gone(shop) == {b: "it's the wrong file"}
    change(shop, withdraw, a)
    assert gone(shop) == {a: None, b: "it's the wrong file"}
    assert shop.files()[: len(before)] == before, "nothing is deleted"
    at, step = NOW.replace(tzinfo=None), timedelta(microseconds=1)
    instants = shop.rows("withdrawals", "coalesce(withdrawn_at, restored_at)")
    assert instants == [(at,), (at,), (at + step,), (at + 2 * step,)]


@pytest.mark.parametrize(
    ("reason", "because"), [(None, ""), ("the  wrong\nfile", " because of 'the wrong file'")]
)
def test_withdrawn_bars_do_not_come_back_by_themselves(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, reason: str | None, because: str
) -> None:
    file = shop.csv("D.csv", days(2))
    name = str(shop.deliver(file, symbol="D", **STATED).delivery)
    change(shop, withdraw, name, reason=reason)
    before = shop.files()
    # nor under another name and other options
    copy = shop.csv("E.csv", [*days(2), ""])
    note = f"withdrawn on 2026-11-02{because}"
    later = NOW + timedelta(days=1)
    for each in (file, copy):
        for dry_run in (False, True):
            [report] = shop.run(each, symbol="D", delivered_at=later, dry_run=dry_run, **STATED)
            assert (report.outcome, report.delivery) == (Outcome.WITHDRAWN, name)
            # the command works only on the project's store
            assert (report.notes, report.remedy, report.error) == ((note,), "", None)
    settings = SimpleNamespace(raw=shop.store.root, threads=1, memory_limit="1GB")
    monkeypatch.setattr(run, "settings", lambda: settings)
    for each in (file, copy):
        [report] = shop.run(each, symbol="D", **STATED)
        assert report.notes == (f"{note}; `./bourse deliveries reinstate {name}` brings it back",)
        assert report.remedy == f"`./bourse deliveries reinstate {name}`"
    assert shop.files() == before
    # other bars do, and what is reinstated is there
    assert shop.deliver(shop.csv("F.csv", days(3)), symbol="D", **STATED).delivery != name
    change(shop, reinstate, name)
    for each in (file, copy):
        [report] = shop.run(each, symbol="D", **STATED)
        assert (report.outcome, report.delivery) == (Outcome.ALREADY_THERE, name)


def test_a_withdrawn_file_is_delivered_again_if_that_is_asked_for(shop: Shop) -> None:
    file = shop.csv("D.csv", days(2))
    names = [str(shop.deliver(file, **STATED).delivery)]
    for time in range(2):
        [report] = shop.run(file, redeliver=True, **STATED)
        assert report.outcome is Outcome.ALREADY_THERE
        change(shop, withdraw, names[-1])
        [report] = shop.run(file, **STATED)
        assert (report.outcome, report.delivery) == (Outcome.WITHDRAWN, names[-1])
        [report] = shop.run(file, redeliver=True, **STATED, delivered_at=NOW + timedelta(days=time))
        assert report.outcome is Outcome.DELIVERED
        assert "delivered again: its earlier delivery was withdrawn on 2026-11-02" in report.notes
        assert report.rows_revised == 0
        names.append(str(report.delivery))
    assert names[1:] == [again(names[0]), again(names[1])]
    assert [row[0] for row in shop.rows("deliveries", "delivery", "delivered_at")] == names
    assert shop.rows("daily", "count(*)") == [(6,)]


def test_the_same_bars_under_other_options_are_delivered_again_too(shop: Shop) -> None:
    first = shop.deliver(shop.csv("D.csv", days(2)), symbol="D", **STATED)
    other = shop.csv("E.csv", days(2))
    [report] = shop.run(other, symbol="D", **STATED)
    assert (report.outcome, report.delivery) == (Outcome.ALREADY_THERE, first.delivery)
    change(shop, withdraw, str(first.delivery))
    again = shop.deliver(other, symbol="D", redeliver=True, **STATED)
    assert again.delivery != first.delivery


def test_a_withdrawn_delivery_no_longer_decides_anything(shop: Shop) -> None:
    wrong = shop.deliver(shop.csv("D.csv", days(2)), calendar="XNSE", source="vendor")
    more = shop.csv("E.csv", days(3))
    [report] = shop.run(more, source="vendor", dry_run=True)
    assert report.calendar == "XNSE"
    change(shop, withdraw, str(wrong.delivery))
    report = shop.refuse(more, source="vendor")
    assert "which exchange's days these are" in report.notes[0]


def test_a_delivery_withdrawn_from_the_sample_may_be_delivered_here(shop: Shop) -> None:
    file = shop.csv("D.csv", days(2))
    ours, shipped = shop.store, RawStore(shop.folder / "shipped", flat=True)
    shop.store = shipped
    name = str(shop.deliver(file, symbol="D", **STATED).delivery)
    shop.store = ours
    [report] = shop.run(file, beside=(shipped,), symbol="D", **STATED)
    assert (report.outcome, report.delivery) == (Outcome.ALREADY_THERE, name)
    change(shop, withdraw, name)
    # also under another name
    copy = shop.csv("E.csv", days(2))
    for each in (file, copy):
        [report] = shop.run(each, beside=(shipped,), symbol="D", **STATED)
        assert (report.outcome, report.delivery) == (Outcome.WITHDRAWN, name)
    there = shop.deliver(file, beside=(shipped,), symbol="D", redeliver=True, **STATED)
    assert there.delivery == again(name)


def refused(shop: Shop, *names: str, beside: tuple[RawStore, ...] = ()) -> BadInput | None:
    """Return why these cannot be reinstated together, or None if they can."""
    with duckdb.connect() as con:
        known = listed(con, shop.store, *beside)
        asked = [one for one in known if one.delivery in names]
        assert len(asked) == len(names)
        try:
            refuse_twice(known, asked)
            refuse_two_calendars(con, shop.store, beside, asked)
        except BadInput as error:
            return error
    return None


def test_no_file_is_read_twice_whichever_of_its_deliveries_is_reinstated(shop: Shop) -> None:
    file = shop.csv("D.csv", days(2))
    a = str(shop.deliver(file, **STATED).delivery)
    change(shop, withdraw, a)
    b = str(shop.deliver(file, redeliver=True, **STATED).delivery)
    change(shop, withdraw, b)
    c = str(shop.deliver(file, redeliver=True, **STATED).delivery)
    for name in (a, b):
        error = refused(shop, name)
        assert error is not None
        assert f"{name[:8]} cannot be reinstated: its file was also delivered as {c[:8]}" in str(
            error
        )
        assert f"`./bourse deliveries withdraw {c[:8]}` first" in error.remedy
    change(shop, withdraw, c)
    for live in (a, b, c):
        assert refused(shop, live) is None
        change(shop, reinstate, live)
        assert [bool(refused(shop, name)) for name in (a, b, c) if name != live] == [True, True]
        change(shop, withdraw, live)
    error = refused(shop, a, c)
    assert error is not None
    assert "reinstate only one of the two: the other is " in error.remedy


@pytest.mark.parametrize("most_listed", [20_000, 0])
def test_reinstating_a_delivery_cannot_add_a_second_calendar(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, most_listed: int
) -> None:
    """Also if a delivery has too many symbols to list them."""
    monkeypatch.setattr("duckbourse.ingest.bars.MAX_LISTED_SYMBOLS", most_listed)
    wrong = str(shop.deliver(shop.csv("INFY.csv", days(2)), **STATED).delivery)
    other = str(shop.deliver(shop.csv("TCS.csv", days(2)), **STATED).delivery)
    change(shop, withdraw, wrong, other)
    right = [
        str(shop.deliver(shop.csv("INFY.csv", days(count)), calendar="XNSE").delivery)
        for count in (2, 3)
    ]
    error = refused(shop, other, wrong)
    assert error is not None
    assert str(error) == (
        f"{wrong[:8]} cannot be reinstated: INFY is in XNYS here (source vendor) and in XNSE in the"
        " store (INFY: source INFY, INFY.csv); a symbol belongs to one calendar"
    )
    assert error.remedy == (
        f"run `./bourse deliveries withdraw {' '.join(right)}` first, or leave it withdrawn"
    )
    assert refused(shop, other) is None
    # nor does one of two in the same command
    change(shop, withdraw, *right)
    assert refused(shop, *right) is None
    error = refused(shop, wrong, right[0])
    assert error is not None
    assert "reinstate only one of the two: the other is " in error.remedy
    assert refused(shop, wrong) is None
    change(shop, reinstate, wrong)
    assert refused(shop, right[0]) is not None


def test_shipped_data_has_its_calendar_where_it_is_built(shop: Shop) -> None:
    ours, shipped = shop.store, RawStore(shop.folder / "shipped", flat=True)
    shop.store = shipped
    beside = str(shop.deliver(shop.csv("INFY.csv", days(3)), **STATED).delivery)
    shop.store = ours
    mine = str(shop.deliver(shop.csv("INFY.csv", days(2)), calendar="XNSE").delivery)
    change(shop, withdraw, mine)
    assert refused(shop, mine) is None
    assert refused(shop, mine, beside=(shipped,)) is not None
    change(shop, withdraw, beside)
    assert refused(shop, mine, beside=(shipped,)) is None
    change(shop, reinstate, mine)
    assert refused(shop, beside, beside=(shipped,)) is not None


def test_reinstating_a_recording_cannot_add_a_second_calendar(shop: Shop) -> None:
    shop.record("paper-india", "INFY", at=NOW)
    recorded = "paper-india@2024-01-02"
    with duckdb.connect() as con, shop.store.writing(con):
        withdraw(con, shop.store, [recorded], NOW, None)
    assert refused(shop, recorded) is None
    name = str(shop.deliver(shop.csv("INFY.csv", days(2)), **STATED).delivery)
    error = refused(shop, recorded)
    assert error is not None
    assert "INFY is in XNSE here (source kite) and in XNYS in the store" in str(error)
    assert f"withdraw {name}`" in error.remedy
    change(shop, withdraw, name)
    change(shop, reinstate, recorded)
    error = refused(shop, name)
    assert error is not None
    assert f"withdraw {recorded}`" in error.remedy


class Killed(BaseException):
    """The process was killed."""


@pytest.mark.parametrize("survived", [0, 1])
def test_a_kill_leaves_all_of_a_withdrawal_or_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    shop.deliver(shop.csv("D.csv", days(2)), **STATED)
    real = Path.replace

    def dying(self: Path, target: Path) -> None:
        if survived:
            real(self, target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        # and nothing is cleaned up afterwards
        patch.setattr(RawStore, "clear_leftovers", lambda self: None)
        with pytest.raises(Killed):
            change(shop, withdraw, "a", "b")
    assert set(gone(shop)) == ({"a", "b"} if survived else set())
    change(shop, withdraw, "c")
    assert set(gone(shop)) == ({"a", "b", "c"} if survived else {"c"})
    assert not shop.store.incoming.exists()


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (Path, "replace", OSError(28, "No space left on device")),
        (os, "fsync", OSError(28, "No space left on device")),
        (withdrawals, "write", duckdb.IOException("Could not write file: No space left on device")),
    ],
)
def test_a_full_disk_is_reported_and_nothing_is_withdrawn(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Exception
) -> None:
    shop.deliver(shop.csv("D.csv", days(2)), **STATED)
    before = shop.files()

    def full(*arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(StorageFull, match=r"the disk of .* is full"):
            change(shop, withdraw, "a")
    assert shop.files() == before
    assert not shop.store.incoming.exists()


def test_no_withdrawal_while_another_process_writes(shop: Shop) -> None:
    with duckdb.connect() as con, shop.store.writing(con), pytest.raises(StoreBusy):
        change(shop, withdraw, "a")


def test_a_short_id_is_unique() -> None:
    names = ["0123456789abcdef", "0123456789abcde0", "01234567ffffffff", "days", "days_of_2", "p@d"]
    shown = short(names)
    assert shown == {
        "0123456789abcdef": "0123456789abcdef",
        "0123456789abcde0": "0123456789abcde0",
        "01234567ffffffff": "01234567f",
        "days": "days",
        "days_of_2": "days_of_",
        "p@d": "p@d",
    }
    assert all(
        [name for name in names if name == short_name or name.startswith(short_name)] == [name]
        or name == short_name
        for name, short_name in shown.items()
    )
