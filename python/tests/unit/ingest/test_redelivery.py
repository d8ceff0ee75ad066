"""The same bars are the same delivery, whatever the options and the packing."""

from __future__ import annotations

import gzip
import tarfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from duckbourse.ingest import Outcome, RawStore, run
from duckbourse.ingest.withdrawals import withdraw
from tests.support.stores import DELIVERED_AT, HEADER, Shop, minutes

DAYS = ["2024-01-02,10,12,9,11,500", "2024-01-03,11,13,10,12,600", "2024-01-04,x,13,10,12,600"]
MINUTES = minutes("2024-01-02", "09:30", 390)
STATED: dict[str, Any] = {"source": "vendor", "symbol": "ACME"}


def packed(file: Path) -> Path:
    """Return the file as .gz."""
    other = file.with_name(f"{file.name}.gz")
    other.write_bytes(gzip.compress(file.read_bytes()))
    return other


def in_a_drop(file: Path) -> Path:
    """Return an archive that holds the file."""
    drop = file.with_name("drop.tar.gz")
    with tarfile.open(drop, "w:gz") as opened:
        opened.add(file, arcname=f"2024/{file.name}")
    return drop


def renamed(file: Path) -> Path:
    """Return a copy with another name."""
    other = file.with_name("renamed.csv")
    other.write_bytes(file.read_bytes())
    return other


def in_other_words(file: Path) -> Path:
    """Return the same bars in another vendor's layout: other order, names and lines."""
    head, *rows = file.read_text().splitlines()
    assert head == HEADER
    fields = [row.split(",") for row in rows]
    lines = ["Volume;Date;Close;Low;High;Open"]
    lines += [";".join([f[5], f[0], f[4], f[3], f[2], f[1]]) for f in reversed(fields)]
    other = file.with_name("words.csv")
    other.write_text("\n".join(lines) + "\n")
    return other


def already_there(shop: Shop, first: str | None, *paths: Path, **stated: Any) -> None:
    """Ingest a file, and assert that it is this delivery and that the store is unchanged."""
    before = shop.files()
    later = DELIVERED_AT + timedelta(days=1)
    [report] = shop.run(*paths, delivered_at=later, **stated)
    assert (report.outcome, report.delivery) == (Outcome.ALREADY_THERE, first), report.notes
    assert shop.files() == before


def test_stating_what_would_be_inferred_makes_no_other_delivery(shop: Shop) -> None:
    file = shop.csv("M.csv", MINUTES)
    first = shop.deliver(file, **STATED).delivery
    mapping = shop.file(
        "m.toml",
        'calendar = "XNYS"\nbar_label = "start"\nkind = "minute"\n'
        'delimiter = ","\ndate_format = "%Y-%m-%d %H:%M:%S"\n'
        '[columns]\ntime = "date"\nopen = "open"\nclose = "close"\n',
    )
    for stated in (
        {"calendar": "XNYS"},
        {"timezone": "America/New_York"},
        {"bar_label": "start"},
        {"kind": "minute"},
        {"calendar": "XNYS", "timezone": "America/New_York", "bar_label": "start"},
        {"mapping": mapping},
    ):
        already_there(shop, first, file, **STATED, **stated)
    [report] = shop.run(file, **STATED, calendar="XNYS", dry_run=True)
    assert report.outcome is Outcome.ALREADY_THERE
    assert report.notes == (
        f"its bars are those of delivery {first}, which came as M.csv on 2026-11-01",
    )


@pytest.mark.parametrize("change", [renamed, packed, in_a_drop])
def test_another_file_name_or_packing_makes_no_other_delivery(shop: Shop, change: Any) -> None:
    file = shop.csv("D.csv", DAYS)
    first = shop.deliver(file, calendar="XNYS", **STATED).delivery
    already_there(shop, first, change(file), calendar="XNYS", **STATED)


def test_another_layout_of_the_same_bars_makes_no_other_delivery(shop: Shop) -> None:
    file = shop.csv("D.csv", DAYS[:2])
    first = shop.deliver(file, calendar="XNYS", **STATED).delivery
    already_there(shop, first, in_other_words(file), calendar="XNYS", **STATED)
    # also in a flat store, and in a store that builds read as well
    flat = RawStore(shop.folder / "flat", flat=True)
    ours, shop.store = shop.store, flat
    assert shop.deliver(file, calendar="XNYS", **STATED).delivery == first
    already_there(shop, first, in_other_words(file), calendar="XNYS", **STATED)
    shop.store = RawStore(shop.folder / "new")
    for path in (file, in_other_words(file)):
        already_there(shop, first, path, calendar="XNYS", beside=(flat, ours), **STATED)


@pytest.mark.parametrize(
    ("rows", "other", "stated"),
    [
        (MINUTES, MINUTES, {"volume_scale": 100}),
        (MINUTES, MINUTES, {"bar_label": "end"}),
        (MINUTES, MINUTES, {"source": "another"}),
        (MINUTES, MINUTES, {"symbol": "ANOTHER"}),
        # one value, and the order of two values of one bar
        (DAYS, [DAYS[0].replace("12", "12.5"), *DAYS[1:]], {}),
        ([DAYS[0], DAYS[0] + "0"], [DAYS[0] + "0", DAYS[0]], {"last_row_wins": True}),
        # values swapped between days or columns, with the same sums
        (DAYS[:2], ["2024-01-02,11,13,10,12,600", "2024-01-03,10,12,9,11,500"], {}),
        (DAYS[:2], ["2024-01-02,11,12,9,10,500", "2024-01-03,11,13,10,12,600"], {}),
        # an unreadable row is kept too, and differs
        (DAYS, [*DAYS[:2], "2024-01-04,y,13,10,12,600"], {}),
        (DAYS, [*DAYS[:2], DAYS[2].replace("x", "11")], {}),
    ],
)
def test_other_bars_are_another_delivery(
    shop: Shop, rows: list[str], other: list[str], stated: dict[str, Any]
) -> None:
    known: dict[str, Any] = {"calendar": "XNYS", **STATED}
    known |= {word: stated[word] for word in stated.keys() & {"last_row_wins"}}
    first = shop.deliver(shop.csv("F.csv", rows), **known).delivery
    second = shop.deliver(shop.csv("G.csv", other), **known | stated).delivery
    assert first != second


def test_only_the_same_bars_are_recognized_among_many_alike(shop: Shop) -> None:
    """Files of one source and shape, as in an archive of many symbols or corrections."""
    stated: dict[str, Any] = {"calendar": "XNYS", "source": "vendor"}
    files = [
        shop.csv(f"S{n}.csv", [row.replace("500", f"50{n}") for row in DAYS]) for n in range(4)
    ]
    reports = shop.run(*files, **stated)
    assert len({report.delivery for report in reports}) == 4
    one = shop.csv("other.csv", files[2].read_text().splitlines()[1:])
    already_there(shop, reports[2].delivery, one, symbol="S2", **stated)


def versions(shop: Shop) -> tuple[Path, Path]:
    """Return four sessions of a symbol, and other values for the last two and one more."""
    first = [f"2024-01-0{day},1,2,1,2,5" for day in (2, 3, 4, 5)]
    other = [f"2024-01-0{day},3,4,3,4,5" for day in (4, 5, 8)]
    return shop.csv("A.csv", first), shop.csv("B.csv", other)


def test_an_older_version_delivered_again_is_reported_as_overridden(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated: dict[str, Any] = {"source": "v", "symbol": "T", "calendar": "XNYS"}
    a, b = versions(shop)
    shop.deliver(a, **stated)
    later = DELIVERED_AT + timedelta(days=1)
    correction = shop.deliver(b, delivered_at=later, **stated)
    assert correction.rows_revised == 2
    assert correction.notes[-1] == (
        "revises T of 2024-01-04: open 1.0 → 3.0, high 2.0 → 4.0, low 1.0 → 3.0, close 2.0 → 4.0,"
        " and 1 more bar"
    )
    # the same file, and its bars under another name: both are recognized and reported
    copy = shop.file("C.csv", a.read_bytes() + b"\n")
    for file in (a, copy):
        [report] = shop.run(file, **stated)
        assert report.outcome is Outcome.ALREADY_THERE
        assert (report.overruled_by, report.bars_overruled) == ((correction.delivery,), 2)
        assert "2 of its bars are overridden by a later delivery of v" in report.notes[-1]
        assert f"{correction.delivery} (B.csv, of 2026-11-02)" in report.notes[-1]
        # the command works only on the project's store
        assert report.remedy == ""
    settings = SimpleNamespace(raw=shop.store.root, threads=1, memory_limit="1GB")
    monkeypatch.setattr(run, "settings", lambda: settings)
    [report] = shop.run(a, **stated)
    assert report.remedy == f"`./bourse deliveries withdraw {correction.delivery}`"
    assert report.notes[-1].endswith(f"use the bars of this file again: {report.remedy}")
    # the overriding delivery has no note, and once it is withdrawn, neither has the other
    assert shop.run(b, **stated)[0].notes == ()
    with duckdb.connect() as con, shop.store.writing(con):
        withdraw(con, shop.store, [str(correction.delivery)], later, None)
    [report] = shop.run(a, **stated)
    assert (report.outcome, report.notes, report.overruled_by) == (Outcome.ALREADY_THERE, (), ())


def test_later_deliveries_with_the_same_bars_are_not_reported(shop: Shop) -> None:
    stated: dict[str, Any] = {"source": "v", "symbol": "T", "calendar": "XNYS"}
    a, b = versions(shop)
    for day, file in enumerate((a, b)):
        shop.deliver(file, delivered_at=DELIVERED_AT + timedelta(days=day), **stated)
    # the first version again, with a new session: it counts again
    again = shop.file("D.csv", a.read_text() + "2024-01-09,1,2,1,2,5\n")
    shop.deliver(again, delivered_at=DELIVERED_AT + timedelta(days=2), **stated)
    [first, second] = shop.run(a, b, **stated)
    assert first.notes == ()
    assert (second.bars_overruled, len(second.overruled_by)) == (2, 1)
    # another symbol, another source
    shop.deliver(b, source="v", symbol="U", calendar="XNYS")
    shop.deliver(b, source="w", symbol="T", calendar="XNYS")
    assert shop.run(a, **stated)[0].notes == ()


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")], ids=str)
def test_of_files_of_one_command_that_share_bars_the_last_counts(
    shop: Shop, names: tuple[str, ...]
) -> None:
    stated: dict[str, Any] = {"source": "v", "symbol": "T", "calendar": "XNYS"}
    files = [
        shop.csv(f"{name}.csv", [f"2024-01-0{day},{n},{n},{n},{n},5" for day in (2, 3)])
        for n, name in enumerate(names, 1)
    ]
    apart = shop.csv("z.csv", ["2024-02-02,9,9,9,9,5"])
    reports = shop.run(*files, apart, **stated)
    assert [report.rows_revised for report in reports] == [0, 2, 2, 0]
    # also in a second command with the same instant
    last = shop.csv("0.csv", ["2024-01-02,8,8,8,8,5"])
    shop.deliver(last, **stated)
    at = DELIVERED_AT.replace(tzinfo=None)
    rows = shop.rows("deliveries", "source_file, delivered_at", "delivered_at, source_file")
    steps = [(file, (moment - at) // timedelta(microseconds=1)) for file, moment in rows]
    assert steps == sorted(
        [*((f"{name}.csv", step) for step, name in enumerate(names)), ("0.csv", 3), ("z.csv", 0)],
        key=lambda one: (one[1], one[0]),
    )
