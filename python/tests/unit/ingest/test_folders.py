"""Folders and archives: which files are read, which are not and why, and the limits."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from duckbourse.ingest import Outcome, files
from tests.support.commands import bourse
from tests.support.stores import HEADER, Shop

ROW = "2024-01-02,1,2,1,2,5"
DAY = f"symbol,{HEADER}\nA,{ROW}\n"
OTHER = DAY.replace("A,", "B,")
XNYS: dict[str, Any] = {"calendar": "XNYS", "kind": "daily"}


def zipped(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            data = data.encode() if isinstance(data, str) else data
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


@pytest.mark.some_day
def test_what_is_no_file_is_reported_and_never_opened(shop: Shop, tmp_path: Path) -> None:
    folder = shop.csv("inbox/GOOD.csv", ["2024-03-05,10,11,9,10,100"]).parent
    os.mkfifo(folder / "PIPE.csv")
    odd = folder / os.fsdecode(b"b\xff.csv")
    odd.write_text("not UTF-8")
    found = files.walked([folder])
    assert list(found.files) == [folder / "GOOD.csv"]
    assert found.skipped == {folder / "PIPE.csv": "not read: it is a pipe"}
    assert [str(each) for each in found.wrong.values()] == [
        f"the name of {folder}/b\\udcff.csv is not UTF-8"
    ]
    words = ("ingest", str(folder), "--calendar", "XNYS")
    done = bourse(tmp_path / "data", *words)
    assert done.returncode == 3
    assert bourse(tmp_path / "data", *words, "--json").returncode == 3


def test_unread_files_of_a_folder_are_reported(shop: Shop) -> None:
    shop.file("nse/A.csv", DAY)
    shop.file("nse/B.csv.zip", zipped({"B.csv": OTHER}))
    shop.file("nse/error.html", "<html>")
    shop.file("nse/deep/prices.xlsx", b"PK")
    shop.file("nse/NOTES", "")
    shop.file("nse/.hidden.html", "")
    reports = shop.run(shop.folder / "vendor", **XNYS)
    outcomes = {report.file: report.outcome for report in reports}
    assert outcomes == {
        "NOTES": Outcome.SKIPPED,
        "error.html": Outcome.SKIPPED,
        "prices.xlsx": Outcome.SKIPPED,
        "A.csv": Outcome.DELIVERED,
        "B.csv.zip/B.csv": Outcome.DELIVERED,
    }
    notes = {report.file: report.notes[0] for report in reports if report.notes}
    assert notes["error.html"].startswith("not read: its name ends in .html, not in .csv, ")
    assert notes["NOTES"].startswith("not read: its name does not end in .csv, ")
    assert shop.rows("daily", "symbol") == [("A",), ("B",)]
    assert shop.rows("deliveries", "source_file") == [("A.csv",), ("B.csv.zip/B.csv",)]


def test_a_folder_without_market_data_lists_its_files(shop: Shop) -> None:
    shop.file("a/page.html", "")
    skipped, failure = shop.run(shop.folder / "vendor", **XNYS)
    assert (failure.outcome, skipped.outcome) == (Outcome.FAILED, Outcome.SKIPPED)
    assert skipped.file == "page.html"


STRAYS = {
    "notes.txt": "Dear Sir,\nplease find the prices\n",
    "status.json": '{"ok": true}',
    "hi.csv": "hi\n",
    "dividends.csv": "symbol,date,dividend\nA,2024-01-02,1\n",
    "actions.csv": "symbol,date,book_closure,closing_date\nA,2024-01-02,1,2024-01-03\n",
}
FAULTS = {
    "empty.csv": "",
    "header.csv": f"{HEADER}\n",
    "renamed.csv": "symbol,date,open,high,low,clsoe,volume\nA,2024-01-02,1,2,1,2,5\n",
    "close_only.csv": "symbol,date,clsoe\nA,2024-01-02,2\n",
    "close_inr.csv": "symbol,date,close_inr,volume\nA,2024-01-02,2,5\n",
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_in_a_folder_is_skipped_and_the_rest_is_delivered(
    shop: Shop, name: str
) -> None:
    shop.file("A.csv", DAY)
    stray = shop.file(name, STRAYS[name])
    for outcome in (Outcome.DELIVERED, Outcome.ALREADY_THERE):
        reports = {report.file: report for report in shop.run(stray.parent, **XNYS)}
        assert reports["A.csv"].outcome is outcome
        assert (reports[name].outcome, reports[name].error) == (Outcome.SKIPPED, None)
        assert name in reports[name].notes[0]
    # not if somebody names it, whatever comes first
    for paths in ((stray.parent, stray), (stray, stray.parent)):
        reports = {report.file: report for report in shop.run(*paths, **XNYS)}
        assert reports[name].outcome is Outcome.FAILED
        assert len(reports) == 2


@pytest.mark.parametrize("name", FAULTS)
def test_a_vendors_fault_in_a_folder_fails_and_the_rest_is_delivered(shop: Shop, name: str) -> None:
    shop.file("A.csv", DAY)
    reports = {
        report.file: report.outcome
        for report in shop.run(shop.file(name, FAULTS[name]).parent, **XNYS)
    }
    assert reports == {"A.csv": Outcome.DELIVERED, name: Outcome.FAILED}


def test_a_folder_of_strays_fails(shop: Shop) -> None:
    for name, content in STRAYS.items():
        shop.file(f"drops/{name}", content)
    shop.file("others/A.csv", DAY)
    drops, others = shop.folder / "vendor" / "drops", shop.folder / "vendor" / "others"
    [*skipped, delivered, failed] = shop.run(drops, others, **XNYS)
    assert {report.outcome for report in skipped} == {Outcome.SKIPPED}
    assert delivered.outcome is Outcome.DELIVERED
    assert failed.outcome is Outcome.FAILED
    assert failed.notes == (f"{drops} holds no file with bars",)


def test_a_file_named_on_the_command_line_may_have_any_name(shop: Shop) -> None:
    path = shop.file("a/A.dat", DAY)
    reports = shop.run(path.parent, path, **XNYS)
    assert [report.outcome for report in reports] == [Outcome.FAILED, Outcome.DELIVERED]


MEMBERS: dict[str, str | bytes] = {
    "folder/": "",
    "folder/one.csv": DAY,
    "../../evil.csv": OTHER,
    "C:\\windows\\two.csv": DAY.replace("A,", "C,"),
    "/root/three.csv": DAY.replace("A,", "D,"),
    "line\nbreak.csv": DAY.replace("A,", "E,"),
    "__MACOSX/._one.csv": b"\0\5",
    "readme.pdf": b"%PDF-1.4\0",
    "inner.zip": b"PK",
    "notes.txt": "Dear Sir,\n",
}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_delivers_its_members_and_reports_unread_ones(shop: Shop, kind: str) -> None:
    members = {name: data for name, data in MEMBERS.items() if kind == "zip" or name[-1] != "/"}
    name, content = ("d.zip", zipped(members)) if kind == "zip" else ("d.tar.gz", tarred(members))
    reports = shop.run(shop.file(name, content), **XNYS)
    outcomes = {report.file.removeprefix(f"{name}/"): report.outcome for report in reports}
    taken = ["one.csv", "evil.csv", "two.csv", "three.csv", "line?break.csv"]
    assert outcomes == {
        **dict.fromkeys(taken, Outcome.DELIVERED),
        **dict.fromkeys(["readme.pdf", "inner.zip", "notes.txt"], Outcome.SKIPPED),
    }
    assert shop.rows("daily", "symbol") == [(letter,) for letter in "ABCDE"]
    assert not list(shop.folder.rglob("*evil*"))


def test_the_same_bars_zipped_and_unzipped_are_delivered_once(shop: Shop) -> None:
    plain, packed = shop.file("A.csv", DAY), shop.file("A.csv.zip", zipped({"A.csv": DAY}))
    first, second = shop.run(plain, packed, **XNYS)
    assert (first.outcome, second.outcome) == (Outcome.DELIVERED, Outcome.ALREADY_THERE)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing(shop: Shop, method: int) -> None:
    [report] = shop.run(shop.file("A.zip", zipped({"A.csv": DAY}, method)), **XNYS)
    assert report.outcome is Outcome.DELIVERED


def test_a_link_in_an_archive_is_not_read(shop: Shop) -> None:
    link = zipfile.ZipInfo("passwd.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    report = shop.refuse(shop.file("A.zip", content.getvalue()), **XNYS)
    assert report.notes == ("A.zip is an archive without files",)


def encrypted() -> bytes:
    """Return an archive whose flags mark its member as encrypted."""
    content = bytearray(zipped({"A.csv": DAY}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def unknown_method() -> bytes:
    content = bytearray(zipped({"A.csv": DAY}))
    content[8] = 97
    content[content.index(b"PK\1\2") + 10] = 97
    return bytes(content)


def spoilt() -> bytes:
    content = bytearray(zipped({"A.csv": DAY * 9}, zipfile.ZIP_STORED))
    content[60] ^= 255
    return bytes(content)


BAD = {
    "none": (b"PK\3\4" + b"\0" * 40, "is a damaged archive: File is not a zip file"),
    "cut short": (zipped({"A.csv": DAY})[:-30], "is a damaged archive"),
    "spoilt": (spoilt(), "is a damaged archive: Bad CRC-32 for file"),
    "empty": (zipped({}), "is an archive without files"),
    "without bars": (zipped({"n.txt": "A\tB\n", "x.pdf": b"%PDF"}), "holds no file with bars"),
    "encrypted": (encrypted(), "is encrypted"),
    "of another method": (unknown_method(), "uses an unsupported compression"),
}


@pytest.mark.parametrize(("content", "expected"), BAD.values(), ids=BAD)
def test_a_bad_zip(shop: Shop, content: bytes, expected: str) -> None:
    *_, report = shop.run(shop.file("T.zip", content), **XNYS)
    assert report.outcome is Outcome.FAILED
    assert expected in report.notes[0]
    assert report.remedy
    assert shop.files() == []


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_not_unpacked(shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(files, "ANYHOW_BYTES", 1 << 10)
    monkeypatch.setattr(files, "BLOCK", 1 << 12)
    made = zipped if kind == "zip" else tarred
    bomb = shop.file(f"T.{kind}", made({"A.csv": bytes(4_000_000)}))
    assert bomb.stat().st_size * files.MOST_TIMES < 4_000_000
    report = shop.refuse(bomb, **XNYS)
    assert report.notes == (f"T.{kind} unpacks to more than 200 times its size",)
    # as the remedy says
    [done] = shop.run(shop.file("A.csv", DAY), **XNYS)
    assert done.outcome is Outcome.DELIVERED


def test_an_archive_with_too_many_files(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_MEMBERS", 2)
    members: dict[str, str | bytes] = {f"{name}.txt": "Dear Sir,\n" for name in "abc"}
    *_, report = shop.run(shop.file("T.zip", zipped(members)), **XNYS)
    assert report.notes == ("T.zip holds more than 2 files",)


def test_a_member_is_gone_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.csv": "1", "b.csv": "2"}))
    found = [(one.name, one.path.read_text()) for one in files.members(path, tmp_path)]
    assert found == [("a.zip/a.csv", "1"), ("a.zip/b.csv", "2")]
    assert list(tmp_path.iterdir()) == [path]
