"""A wrong file is found in the list and withdrawn, and the command reports what it did."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.commands import Ended, bourse
from tests.support.warehouse import empty_store

pytestmark = pytest.mark.some_day

HEADER = "date,open,high,low,close,volume"
ALONE = {"BOURSE_SAMPLE": "false"}


class DataFolder:
    """A data folder, the command on it, and its list as JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = empty_store(folder / "data")

    def ingest(
        self, name: str, rows: list[str], at: str, source: str = "vendor", *more: str
    ) -> str:
        """Deliver a file with any number of unreadable rows, and return its delivery."""
        file = self.folder / name
        file.write_text("\n".join([HEADER, *rows]) + "\n")
        words = ("ingest", str(file), "--calendar", "XNYS", "--source", source)
        allowed = ("--max-unreadable-pct", "50")
        done = bourse(self.data, *words, *allowed, *more, "--delivered-at", at, "--json", **ALONE)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["files"][0]["delivery"])

    def say(self, *words: str, code: int = 0, stdin: str = "") -> Ended:
        """Run `./bourse deliveries` with these words."""
        done = bourse(self.data, "deliveries", *words, stdin=stdin, **ALONE)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def list(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.say(*words, "--json").stdout)
        return found


@pytest.fixture
def project(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


DAYS = ["2024-01-02,1,2,1,1,5", "2024-01-03,1,2,1,1,5"]


def test_deliveries_are_listed_newest_first(project: DataFolder) -> None:
    done = project.say()
    assert done.stdout == ""
    assert "nothing has been delivered yet: see `./bourse ingest --help`" in done.stderr
    one = project.ingest("ONE.csv", DAYS, "2026-11-01T18:00:00Z")
    two = project.ingest(
        "TWO.csv", [*DAYS, "2024-01-04,x,2,1,1,5"], "2026-11-02T18:00:00Z", "other"
    )
    head, newest, oldest = project.say().stdout.splitlines()
    assert " ".join(head.split()) == "id when (UTC) source file kind rows symbols first last"
    text = ["daily", "2", "1", "2024-01-02", "2024-01-03"]
    assert newest.split() == [two[:8], "2026-11-02", "18:00", "other", "TWO.csv", *text]
    assert oldest.split() == [one[:8], "2026-11-01", "18:00", "vendor", "ONE.csv", *text]
    assert [each["delivery"] for each in project.list()] == [two, one]
    assert [each["file"] for each in project.list("--source", "vendor")] == ["ONE.csv"]
    newest_only = project.say("--last", "1")
    assert two[:8] in newest_only.stdout
    assert one[:8] not in newest_only.stdout
    assert "… and 1 older one" in newest_only.stderr
    refused = project.say("--source", "vendr", code=2)
    assert "there are no deliveries of source 'vendr'; did you mean 'vendor'?" in refused.stderr


def test_a_delivery_is_withdrawn_reinstated_and_delivered_again(project: DataFolder) -> None:
    right = project.ingest("RIGHT.csv", DAYS, "2026-11-01T18:00:00Z")
    wrong = project.ingest("WRONG.csv", [DAYS[0]], "2026-11-02T18:00:00Z")
    done = project.say("withdraw", wrong[:8], "--reason", "last year's [prices]", "--yes")
    assert done.stdout == (
        f"withdrawn: {wrong[:8]} (WRONG.csv of vendor, 1 row of 1 symbol,"
        " 2024-01-02 to 2024-01-02)\n"
    )
    assert "the next `./bourse build`" in done.stderr
    [first, second] = project.list()
    assert (first["delivery"], first["is_withdrawn"]) == (wrong, True)
    assert first["reason"] == "last year's [prices]"
    assert (second["delivery"], second["withdrawn_at"]) == (right, None)
    assert re.search(
        r"withdrawn [-\d]{10} \d\d:\d\d UTC: last year's \[prices\]$",
        project.say().stdout.splitlines()[1],
    )

    # a second time nothing happens, and that is reported
    before = sorted((project.data / "raw" / "withdrawals").iterdir())
    done = project.say("withdraw", wrong, "--yes")
    assert done.stdout.startswith(f"unchanged, already withdrawn: {wrong[:8]} ")
    assert sorted((project.data / "raw" / "withdrawals").iterdir()) == before

    done = project.say("reinstate", wrong[:8], "--yes")
    assert done.stdout.startswith(f"reinstated: {wrong[:8]} ")
    assert [each["is_withdrawn"] for each in project.list()] == [False, False]
    assert project.say("reinstate", right, "--yes").stdout.startswith("unchanged, not withdrawn: ")

    # what is withdrawn stays so, and the evening run is green
    project.say("withdraw", wrong, right, "-y", "--reason", "the wrong year")
    file = str(project.folder / "WRONG.csv")
    words = ("ingest", file, "--calendar", "XNYS", "--source", "vendor")
    done = bourse(project.data, *words, "--max-unreadable-pct", "50", **ALONE)
    assert done.returncode == 0
    assert done.stdout.split()[-1] == "withdrawn"
    note = r"WRONG.csv: withdrawn on [-\d]{10} because of 'the wrong year'; `./bourse deliveries "
    assert re.findall(f"{note}(.*)` brings it back\n", done.stderr) == [f"reinstate {wrong}"]

    # and a file delivered again meanwhile does not count twice
    again = project.ingest("WRONG.csv", [DAYS[0]], "2026-11-03T18:00:00Z", "vendor", "--again")
    assert again not in (wrong, right)
    assert [(each["delivery"], each["is_withdrawn"]) for each in project.list()] == [
        (again, False),
        (wrong, True),
        (right, True),
    ]
    refused = project.say("reinstate", wrong, right, "--yes", code=3)
    assert f"its file was also delivered as {again[:8]}" in refused.stderr
    assert f"`./bourse deliveries withdraw {again[:8]}` first" in refused.stderr
    assert [each["is_withdrawn"] for each in project.list()] == [False, True, True]
    project.say("withdraw", again, "-y")
    project.say("reinstate", wrong, right, "-y")
    assert [each["is_withdrawn"] for each in project.list()] == [True, False, False]


def test_the_wrong_calendar_is_withdrawn_by_the_remedy_of_the_error(project: DataFolder) -> None:
    """And the wrong delivery cannot be reinstated beside the right one."""
    wrong = project.ingest("INFY.csv", DAYS, "2026-11-01T18:00:00Z")
    ingest = (
        "ingest",
        str(project.folder / "INFY.csv"),
        "--calendar",
        "XNSE",
        "--source",
        "vendor",
    )
    at = ("--delivered-at", "2026-11-02T18:00:00Z")
    refused = bourse(project.data, *ingest, *at, **ALONE)
    assert refused.returncode == 3
    assert "INFY is in XNSE here (source vendor) and in XNYS in the store" in refused.stderr
    [remedy] = re.findall("`./bourse deliveries ([^`]*)`", refused.stderr)
    project.say(*remedy.split(), "--yes")
    assert [(each["delivery"], each["is_withdrawn"]) for each in project.list()] == [(wrong, True)]
    right = json.loads(bourse(project.data, *ingest, *at, "--json", **ALONE).stdout)["files"][0]
    refused = project.say("reinstate", wrong, "--yes", code=3)
    assert f"{wrong[:8]} cannot be reinstated: INFY is in XNYS here" in refused.stderr
    [remedy] = re.findall("`./bourse deliveries ([^`]*)`", refused.stderr)
    assert remedy == f"withdraw {right['delivery']}"
    project.say(*remedy.split(), "--yes")
    project.say("reinstate", wrong, "--yes")
    # the command cannot withdraw from a store elsewhere, so it is not the remedy there
    elsewhere = ("--into", str(project.folder / "elsewhere"), *at)
    bourse(project.data, *ingest, *elsewhere, **ALONE)
    refused = bourse(
        project.data, *("XNYS" if one == "XNSE" else one for one in ingest), *elsewhere
    )
    assert "INFY is in XNYS here" in refused.stderr
    assert "deliveries withdraw" not in refused.stderr


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        ("n\n", 1, "nothing was changed"),
        ("", 3, "no answer was given, and nothing was changed"),
        ("y\n", 0, "Leave it out of all later builds? [y/N]"),
    ],
)
def test_it_asks_for_confirmation(project: DataFolder, answer: str, code: int, text: str) -> None:
    name = project.ingest("ONE.csv", DAYS, "2026-11-01T18:00:00Z")
    done = project.say("withdraw", name, code=code, stdin=answer)
    assert text in done.stderr
    assert f"{name[:8]} (ONE.csv of vendor" in done.stderr
    assert project.list()[0]["is_withdrawn"] == (code == 0)


@pytest.mark.parametrize("act", ["withdraw", "reinstate"])
def test_an_unknown_id_changes_nothing(project: DataFolder, act: str) -> None:
    known = ["aaaa1111aaaa1111", "aaaa2222aaaa2222", "bbbb1111bbbb1111"]
    make(project.data / "raw", known)
    for name, text, remedy in (
        ("bbbb1112", "there is no delivery 'bbbb1112'; did you mean 'bbbb1111'?", "lists them"),
        ("zz", "there is no delivery 'zz'", "lists them"),
        ("", "the word after bbbb1111bbbb1111 is empty", "give it a value"),
        ("aaaa", "'aaaa' is the beginning of 2 ids: ", "give more of its characters"),
        ("F.csv", "'F.csv' is the name of a file, not of a delivery", "use "),
    ):
        done = project.say(act, known[2], name, "--yes", code=2)
        assert done.stdout == ""
        error, hint = done.stderr.splitlines()
        assert text in error
        assert remedy in hint
    assert [each["is_withdrawn"] for each in project.list()] == [False] * 3


def make(raw: Path, names: list[str]) -> None:
    """Write a manifest for each name."""
    with duckdb.connect() as con:
        for place, name in enumerate(names):
            con.execute(
                f"copy (select * replace ('{name}' as delivery, 'daily' as kind, 's' as source,"
                " 'F.csv' as source_file, 'XNYS' as calendar, 5 as rows_kept, 1 as symbol_count,"
                f" timestamp '2026-11-01' + interval {place} minute as delivered_at)"
                f" from (select null) left join '{raw}/deliveries/zz_empty.parquet' on true)"
                f" to '{raw}/deliveries/{name}.parquet'"
            )


def test_thousands_are_listed_and_withdrawn_at_once(project: DataFolder) -> None:
    raw = project.data / "raw"
    make(raw, ["0000000000000000"])
    whole = (raw / "deliveries" / "0000000000000000.parquet").read_bytes()
    for number in range(1, 2000):
        # another name of the same length can replace it in the file
        name = f"{number:016x}"
        file = raw / "deliveries" / f"{name}.parquet"
        file.write_bytes(whole.replace(b"0000000000000000", name.encode()))
    names = [f"{number:016x}" for number in range(1000)]
    assert len(project.say("withdraw", *names, "--yes").stdout.splitlines()) == 1000
    shown = project.say().stdout.splitlines()[1:]
    assert len({line.split()[0] for line in shown}) == 2000
    assert sum("withdrawn" in line for line in shown) == 1000


def test_a_recording_of_ticks_is_listed_and_withdrawn(project: DataFolder) -> None:
    folder = project.data / "raw" / "ticks" / "2024-07-01"
    folder.mkdir()
    with duckdb.connect() as con:
        for place, until in enumerate(("14:00", "20:00")):
            con.execute(
                "copy (select * replace ('A' as symbol, date '2024-07-01' as session_date,"
                " 'XNYS' as calendar, 'feed' as source, 'mine' as recording,"
                f" timestamp '2024-07-01 {until}' as recorded_until)"
                f" from (select unnest([1, 2])) left join '{folder.parent}/zz_empty.parquet'"
                f" on true) to '{folder}/{place}.parquet'"
            )
    [one] = project.list()
    assert (one["id"], one["kind"], one["rows"], one["symbols"]) == (
        "mine@2024-07-01",
        "ticks",
        4,
        1,
    )
    assert one["delivered_at"] == "2024-07-01T20:00:00"
    project.say("withdraw", "mine@2024-07-01", "--yes")
    assert project.list()[0]["is_withdrawn"]
