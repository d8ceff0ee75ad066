"""What differs between two publications is found, counted and printed, and nothing else is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duckbourse.diff import AFTER, BEFORE, Change, Comparison, Tolerance, opened
from duckbourse.settings import Settings
from tests.support.commands import bourse

RECORD = """
    create table serving.publication as select
        '20261127T184510-{build}' as build_id,
        'abc123' as git_revision,
        '0123456789abcdef' as data_version,
        timestamp '2026-11-27 18:45:10' as published_at,
        null::map(varchar, bigint) as row_counts,
        map(['bars.t', 'scanners.signals'], [['id'], ['signal_id']]) as keys
"""
SCHEMAS = "create schema bars; create schema scanners; create schema serving;"


@contextmanager
def compared(
    before: str, after: str, tolerance: Tolerance | None = None, ignored: Collection[str] = ()
) -> Iterator[Comparison]:
    """Compare two databases that these statements make."""
    with duckdb.connect() as connection:
        for side, statements in ((BEFORE, before), (AFTER, after)):
            connection.execute(f"attach ':memory:' as {side}; use {side}")
            connection.execute(SCHEMAS + RECORD.format(build=side))
            connection.execute(statements)
        connection.execute("use memory")
        yield Comparison(connection, tolerance or Tolerance(), ignored)


def table(rows: str, columns: str = "id, x, name") -> str:
    return f"create table bars.t as from (values {rows}) as t ({columns})"


def only_change(before: str, after: str, tolerance: Tolerance | None = None) -> Change | None:
    with compared(before, after, tolerance) as comparison:
        found = comparison.changes()
    assert len(found) <= 1
    return found[0] if found else None


def counts(change: Change) -> tuple[int, int, int, int]:
    return (
        change.rows_added,
        change.rows_removed,
        change.rows_changed,
        change.rows_within_tolerance,
    )


def test_equal_tables_do_not_differ_in_whatever_order() -> None:
    one = table("(1, 1.5::double, 'a'), (2, null, 'b'), (3, 'nan'::double, null)")
    other = table("(3, 'nan'::double, null), (1, 1.5::double, 'a'), (2, null, 'b')")
    assert only_change(one, other) is None


def test_rows_are_matched_by_their_key() -> None:
    change = only_change(
        table("(1, 1.5::double, 'a'), (2, 2.5, 'b'), (3, 3.5, 'c'), (4, null, 'd')"),
        table("(1, 1.5::double, 'a'), (2, 2.75, 'B'), (4, 4.5, 'd'), (5, 5.5, 'e'), (6, 6, 'f')"),
    )
    assert change is not None
    assert counts(change) == (2, 1, 2, 0)
    assert (change.rows_before, change.rows_after, change.key) == (4, 5, ("id",))
    assert [(each.name, each.row_count, each.largest) for each in change.columns] == [
        ("x", 2, 0.25),
        ("name", 1, None),
    ]


def test_columns_that_are_ignored_are_no_difference_nor_part_of_a_key() -> None:
    made = "create table bars.t as select * from (values {}) as t (id, x, scanner_version)"
    one = made.format("(1, 10, 'old'), (2, 20, 'old')")
    for other, ignored, expected in (
        ("(1, 10, 'new'), (2, 20, 'new')", [], (0, 0, 2, 0)),
        ("(1, 10, 'new'), (2, 20, 'new')", ["scanner_version"], None),
        ("(1, 10, 'new'), (2, 21, 'new')", ["scanner_version"], (0, 0, 1, 0)),
        # without the key, a row is another one
        ("(3, 10, 'new'), (2, 21, 'new')", ["scanner_version", "id"], (1, 1, 0, 0)),
        ("(3, 10, 'new'), (4, 20, 'new')", ["scanner_version", "id"], None),
    ):
        with compared(one, made.format(other), ignored=ignored) as comparison:
            found = comparison.changes()
        assert [counts(change) for change in found] == ([expected] if expected else [])


def test_values_that_change_places_are_found() -> None:
    # sums over each column would not see it
    one = "(1, 10, 'a'), (2, 20, 'b')"
    for other in ("(1, 20, 'a'), (2, 10, 'b')", "(1, 10, 'b'), (2, 20, 'a')"):
        change = only_change(table(one), table(other))
        assert change is not None
        assert counts(change) == (0, 0, 2, 0)


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ("1.0", "1.0 + 5e-10", False),
        ("1.0", "1.0 + 2e-9", True),
        ("1e9", "1e9 + 0.5", False),
        ("0.0", "5e-13", False),
        ("0.0", "5e-12", True),
        ("0.0", "-0.0", False),
        ("'nan'", "'nan'", False),
        ("'nan'", "1.0", True),
        ("'inf'", "1.0", True),
        ("'inf'", "'-inf'", True),
        ("1e308", "-1e308", True),
        ("null", "0.0", True),
        ("null", "null", False),
    ],
)
def test_doubles_have_a_tolerance(before: str, after: str, differs: bool) -> None:
    change = only_change(
        table(f"(1, ({before})::double, 'a')"), table(f"(1, ({after})::double, 'a')")
    )
    assert (change is not None and change.is_difference) is differs
    if change and not differs:
        assert counts(change) == (0, 0, 0, 1)


def test_the_tolerance_is_what_it_was_set_to() -> None:
    one, other = table("(1, 1.0::double, 'a')"), table("(1, 1.001::double, 'a')")
    for tolerance, differs in (
        (Tolerance(0.01, 0), False),
        (Tolerance(0, 0.01), False),
        (Tolerance(1e-4, 1e-4), True),
    ):
        change = only_change(one, other, tolerance)
        assert change is not None
        assert change.is_difference is differs
    # exact values have none
    change = only_change(
        table("(1, 1.0::decimal(18, 4), 'a')"), table("(1, 1.0001::decimal(18, 4), 'a')")
    )
    assert change is not None
    assert change.is_difference


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # a key that is not one
        ("(1, 1, 'a'), (1, 2, 'b')", "(1, 3, 'a'), (2, 4, 'b')", (2, 2, 0, 0)),
        # two pairs of identical rows, which an exclusive or does not see
        ("(1, 1, 'a'), (1, 1, 'a')", "(2, 2, 'b'), (2, 2, 'b')", (2, 2, 0, 0)),
        # one of two rows that are identical
        ("(1, 1, 'a'), (1, 1, 'a')", "(1, 1, 'a')", (0, 1, 0, 0)),
    ],
)
def test_without_a_key_whole_rows_are_counted(
    before: str, after: str, expected: tuple[int, ...]
) -> None:
    change = only_change(table(before), table(after))
    assert change is not None
    assert (counts(change), change.key) == (expected, ())
    old, new = (each.replace("bars.t", "bars.other") for each in (table(before), table(after)))
    change = only_change(old, new)
    assert change is not None
    assert (counts(change), change.key) == (expected, ())


def test_a_key_may_be_null() -> None:
    change = only_change(table("(null, 1, 'a'), (2, 2, 'b')"), table("(null, 2, 'a'), (2, 2, 'b')"))
    assert change is not None
    assert counts(change) == (0, 0, 1, 0)


values = st.integers(0, 2) | st.none()
contents = st.dictionaries(st.integers(0, 5), st.tuples(values, values), max_size=5)


@settings(max_examples=20)
@given(before=contents, after=contents)
def test_it_counts_what_python_counts(before: Any, after: Any) -> None:
    def made(rows: dict[int, tuple[object, ...]]) -> str:
        listed = ", ".join(str((key, *row)).replace("None", "null") for key, row in rows.items())
        create = "create table bars.t (id int, x int, y int)"
        return f"{create}; insert into bars.t values {listed}" if rows else create

    change = only_change(made(before), made(after))
    found = (0, 0, 0, 0) if change is None else counts(change)
    both = before.keys() & after.keys()
    assert found == (
        len(after.keys() - both),
        len(before.keys() - both),
        sum(before[key] != after[key] for key in both),
        0,
    )
    one, other = (made(each).replace("bars.t", "bars.other") for each in (before, after))
    change = only_change(one, other)
    found = (0, 0, 0, 0) if change is None else counts(change)
    old, new = (Counter(each.items()) for each in (before, after))
    assert found == ((new - old).total(), (old - new).total(), 0, 0)


def test_columns_and_relations_come_and_go() -> None:
    with compared(
        "create table bars.t as select 1 as id, 2 as x, 3 as y;"
        "create table bars.gone as from range(3);"
        "create view bars.v as select id from bars.t;"
        "create macro bars.m(p_x) as p_x + 1;"
        "create macro bars.rows(p_id) as table from bars.t where id = p_id",
        "create table bars.t as select 1 as id, 2::bigint as x, 4 as z;"
        "create view bars.come as select 1 as one;"
        "create view bars.v as select id + 0 as id from bars.t;"
        "create macro bars.m(p_x) as p_x + 2;"
        "create macro bars.rows(p_id) as table from bars.t where id = p_id",
    ) as comparison:
        changes = {change.name: change for change in comparison.changes()}
        kinds = comparison.counts(list(changes.values()))
    assert {name: (change.kind, change.status) for name, change in changes.items()} == {
        "bars.come": ("view", "added"),
        "bars.gone": ("table", "removed"),
        "bars.m": ("macro", "changed"),
        "bars.t": ("table", "changed"),
        "bars.v": ("view", "changed"),
    }
    assert {kind: (each.different, each.compared) for kind, each in kinds.items()} == {
        "table": (2, 2),
        "view": (2, 2),
        "macro": (1, 2),
    }
    assert (changes["bars.gone"].rows_before, changes["bars.gone"].rows_after) == (3, None)
    t = changes["bars.t"]
    assert (t.columns_added, t.columns_removed) == ({"z": "INTEGER"}, {"y": "INTEGER"})
    assert t.types_changed == {"x": ("INTEGER", "BIGINT")}
    assert counts(t) == (0, 0, 0, 0)


def test_names_after_exclude_have_no_order() -> None:
    view = "create view bars.v as select * exclude ({}) from (select 1 as a, 2 as b, 3 as c)"
    assert only_change(view.format("a, b"), view.format("b, a")) is None
    assert only_change(view.format("a, b"), view.format("a, c")) is not None


def test_what_a_build_file_has_of_its_own_is_left_out() -> None:
    build = (
        table("(1, 1, 'a')") + "; create schema staging; create schema build_state;"
        "create view staging.v as select 1 as x; create table bars.private as select 1 as x;"
        "create table build_state.unpublished as select 'bars.private' as relation"
    )
    assert only_change(table("(1, 1, 'a')"), build) is None


def test_rows_have_what_differs_and_what_they_are_about() -> None:
    signals = (
        "create table scanners.signals as from (values {}) as t (signal_id, scanner, symbol, n)"
    )
    with compared(
        signals.format("('f0', 'crp', 'KO', 1), ('f1', 'crp', 'AAPL', 2), ('f2', 'gap', 'GE', 3)"),
        signals.format("('f0', 'crp', 'KO', 7), ('f2', 'gap', 'GE', 3), ('f3', 'gap', 'MCD', 4)"),
    ) as comparison:
        [change] = comparison.changes()
        rows = comparison.rows(change, 10)
        assert comparison.rows(change, 1) == rows[:1]
    assert [(row.status, *row.about.values(), *row.key.values()) for row in rows] == [
        ("removed", "crp", "AAPL", "f1"),
        ("changed", "crp", "KO", "f0"),
        ("added", "gap", "MCD", "f3"),
    ]
    assert [(row.before, row.after) for row in rows] == [
        ({"n": 2}, {}),
        ({"n": 1}, {"n": 7}),
        ({}, {"n": 4}),
    ]


def test_the_rows_that_say_most_come_first() -> None:
    """Of each kind in turn; those that changed by how far, the others by their key."""
    before = (
        "(1, 100.0::double, 'a'), (2, 1e6, 'a'), (3, 10.0, 'a'), (4, 5.0, 'a'), (5, 1.0, 'a'),"
        " (6, 3.0, 'a'), (12, 0.0, 'a'), (11, 0.0, 'a')"
    )
    after = (
        "(1, 101.0::double, 'b'), (2, 1e6 + 500, 'a'), (3, 'inf', 'a'), (4, -5.0, 'a'),"
        " (5, 1.0, 'b'), (6, null, 'a'), (22, 0.0, 'a'), (21, 0.0, 'a')"
    )
    with compared(table(before), table(after)) as comparison:
        [change] = comparison.changes()
        rows = comparison.rows(change, 20)
        for limit in range(1, 10):
            assert comparison.rows(change, limit) == rows[:limit]
    # the sign, all of it twice, 1%, 0.05%, and no number
    changed = [4, 3, 6, 1, 2, 5]
    kinds = {"removed": [11, 12], "changed": changed, "added": [21, 22]}
    in_turn = [
        (kind, ids[place]) for place in range(6) for kind, ids in kinds.items() if place < len(ids)
    ]
    assert [(row.status, row.key["id"]) for row in rows] == in_turn


def test_rows_without_a_key_are_those_of_one_side() -> None:
    create = "create table bars.other as from (values {}) as t (x)"
    with compared(create.format("(1), (1), (2)"), create.format("(1), (3), (4)")) as comparison:
        [change] = comparison.changes()
        rows = comparison.rows(change, 3)
    assert [(row.status, row.before, row.after) for row in rows] == [
        ("removed", {"x": 1}, {}),
        ("removed", {"x": 2}, {}),
        ("added", {}, {"x": 3}),
    ]


def test_it_says_how_far_it_is() -> None:
    seen: list[tuple[str, float]] = []
    statements = "create table bars.a as from range(1000); create table bars.b as from range(3000)"
    with compared(statements, statements) as comparison:
        comparison.changes(lambda name, share: seen.append((name, round(share, 2))))
    assert seen == [("bars.a", 0.0), ("bars.b", 0.25)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two publications: signals, a table without a key, an equal one and a view."""
    for name, signals, others in (
        ("before", "('f0', 'KO', 90.0::double), ('f1', 'GE', 80.0)", "(1), (2)"),
        ("after", "('f0', 'KO', 95.0::double), ('f2', 'a|b', 70.5)", "(1)"),
    ):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            connection.execute(SCHEMAS + RECORD.format(build=name))
            connection.execute(f"""
                create table scanners.signals as
                from (values {signals}) as t (signal_id, symbol, score);
                create table bars.other as from (values {others}) as t (x);
                create table bars.equal as select 1 as x;
                create view bars.v as select x + {len(others)} as y from bars.other;
            """)
    return tmp_path / "before.duckdb", tmp_path / "after.duckdb"


def test_the_summary_comes_first_then_a_line_for_each(files: tuple[Path, Path]) -> None:
    before, after = map(str, files)
    done = bourse(files[0].parent, "diff", before, after)
    assert done.returncode == 1
    of = "published 2026-11-27 18:45 UTC, from revision abc123, data 0123456789ab"
    assert done.stdout.splitlines() == [
        f"before  {before}, {of}",
        f"after   {after}, {of}",
        "",
        "What differs: 2 of 3 tables, 1 of 1 view",
        "",
        "relation          rows before  rows after  added  removed  changed  what differs",
        "bars.other                  2           1      0        1        0  whole rows compared",
        "bars.v                                                              the SQL of the view",
        "scanners.signals            2           2      1        1        1  score 1",
    ]
    assert done.stderr == (
        f"the rows of a table: ./bourse diff {before} {after} --table bars.other\n"
    )


def test_rows_on_request(files: tuple[Path, Path]) -> None:
    words = ("diff", *map(str, files), "--table", "scanners.signals")
    done = bourse(files[0].parent, *words)
    assert done.returncode == 1
    assert done.stdout.splitlines()[3:] == [
        "What differs: 1 of 1 table",
        "",
        "relation          rows before  rows after  added  removed  changed  what differs",
        "scanners.signals            2           2      1        1        1  score 1",
        "",
        "scanners.signals",
        "         symbol  signal_id  values",
        "removed  GE      f1         score: 80.0",
        "changed  KO      f0         score: 90.0 → 95.0",
        "added    a|b     f2         score: 70.5",
    ]
    assert done.stderr == ""
    done = bourse(files[0].parent, *words, "--limit", "2")
    assert "a|b" not in done.stdout
    assert done.stderr == "the first 2 of 3; --limit shows more\n"


def test_markdown_is_for_an_issue(files: tuple[Path, Path]) -> None:
    done = bourse(
        files[0].parent, "diff", *map(str, files), "--table", "scanners.signals", "--markdown"
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[2:] == [
        "",
        "**What differs: 1 of 1 table**",
        "",
        "| relation | rows before | rows after | added | removed | changed | what differs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        "| scanners.signals | 2 | 2 | 1 | 1 | 1 | score 1 |",
        "",
        "### scanners.signals",
        "",
        "|  | symbol | signal_id | values |",
        "| --- | --- | --- | --- |",
        "| removed | GE | f1 | score: 80.0 |",
        "| changed | KO | f0 | score: 90.0 → 95.0 |",
        "| added | a\\|b | f2 | score: 70.5 |",
    ]


def test_what_says_how_a_row_was_made_is_left_out_and_said(files: tuple[Path, Path]) -> None:
    paths = [str(path) for path in files]
    for path, version in zip(files, ("old", "new"), strict=True):
        with duckdb.connect(str(path)) as connection:
            connection.execute("drop view bars.v; drop table bars.other")
            connection.execute("delete from scanners.signals where signal_id != 'f0'")
            connection.execute("update scanners.signals set score = 90")
            connection.execute(
                "alter table scanners.signals"
                f" add column scanner_version varchar default '{version}'"
            )
    same = bourse(files[0].parent, "diff", *paths)
    assert (same.returncode, same.stdout.splitlines()[-2:]) == (
        0,
        [
            "Nothing differs.",
            "Columns that are not compared: scanner_version; --all-columns compares them",
        ],
    )
    other = bourse(files[0].parent, "diff", *paths, "--all-columns")
    assert (other.returncode, other.stdout.splitlines()[-1].split()[-2:]) == (
        1,
        ["scanner_version", "1"],
    )
    wrong = bourse(files[0].parent, "diff", *paths, "--ignore", "scor")
    assert wrong.returncode == 2
    assert "neither publication has a column 'scor'; did you mean 'score'?" in wrong.stderr


def test_json_has_everything(files: tuple[Path, Path]) -> None:
    done = bourse(
        files[0].parent, "diff", *map(str, files), "--table", "scanners.signals", "--json"
    )
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["is_different"] is True
    assert found["before"]["build_id"] == "20261127T184510-before"
    assert found["tolerance"] == {"relative": 1e-9, "absolute": 1e-12}
    assert found["counts"]["table"] == {"compared": 1, "different": 1}
    [change] = found["changes"]
    assert change["columns"] == [{"name": "score", "row_count": 1, "largest": 5.0}]
    assert found["rows"]["scanners.signals"][1] == {
        "status": "changed",
        "key": {"signal_id": "f0"},
        "about": {"symbol": "KO"},
        "before": {"score": 90.0},
        "after": {"score": 95.0},
    }


def test_the_exit_code_is_that_of_diff(files: tuple[Path, Path]) -> None:
    before, after = map(str, files)
    same = bourse(files[0].parent, "diff", before, before)
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "Nothing differs.")
    same = bourse(files[0].parent, "diff", before, after, "--table", "bars.equal")
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "Nothing differs.")
    near = bourse(files[0].parent, "diff", before, before, "--json")
    assert (near.returncode, json.loads(near.stdout)["is_different"]) == (0, False)


@pytest.mark.parametrize(
    ("words", "code", "error", "remedy"),
    [
        (
            ("{before}", "{after}", "--table", "scanners.signal"),
            2,
            "neither publication has a table 'scanners.signal'; did you mean 'scanners.signals'?",
            "`./bourse tables` lists those that are published",
        ),
        (
            ("{before}", "{before}", "--table", "scanners.signal"),
            2,
            "neither publication has a table 'scanners.signal'; did you mean 'scanners.signals'?",
            "`./bourse tables` lists those that are published",
        ),
        (
            ("{before}", "{after}", "--table", "bars.v"),
            2,
            "bars.v is a view, of which no rows are stored",
            "name the tables that it reads",
        ),
        (
            ("gone.duckdb", "{after}"),
            2,
            "there is no file gone.duckdb",
            "`./bourse publications` lists what can be compared",
        ),
        (
            ("{before}", "{text}"),
            3,
            '{text} cannot be read: IO Error: The file "{text}" exists, but it is not a valid'
            " DuckDB database file!",
            "compare publications: `./bourse publications` lists them",
        ),
        (
            ("{before}", "{after}", "--json", "--markdown"),
            2,
            "--json and --markdown cannot be used together",
            "choose one",
        ),
        (
            ("{before}",),
            5,
            "nothing has been published at {published}",
            "run `./bourse build`",
        ),
    ],
)
def test_what_cannot_be_compared(
    files: tuple[Path, Path], words: tuple[str, ...], code: int, error: str, remedy: str
) -> None:
    text = files[0].with_name("text.duckdb")
    text.write_text("text" * 1000)
    names = {"before": files[0], "after": files[1], "text": text}
    names["published"] = files[0].with_name("duckbourse.duckdb")
    done = bourse(files[0].parent, "diff", *(word.format(**names) for word in words))
    assert (done.returncode, done.stderr) == (
        code,
        f"error: {error.format(**names)}\n  remedy: {remedy}\n",
    )


def test_a_full_disk_is_one_line(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    monkeypatch.setattr(Comparison, "changes", full)
    done = bourse(files[0].parent, "diff", *map(str, files))
    assert done.returncode == 6
    [error, remedy] = done.stderr.splitlines()
    assert error.startswith("error: the disk of ")
    assert error.endswith(" is full: IO Error: Could not write file: No space left on device")
    assert remedy == ("  remedy: free some disk space, or set TMPDIR to a folder on a larger disk")


def test_it_needs_no_more_memory_than_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "before.duckdb", tmp_path / "after.duckdb"
    for number, path in enumerate(paths):
        with duckdb.connect(str(path)) as connection:
            connection.execute(SCHEMAS + RECORD.format(build=number))
            connection.execute(f"""
                create table bars.t as
                select md5(i::varchar) as id, i + {number} as x, hash(i) % 997 as y
                from range(300_000) as t (i)
            """)
    little = Settings(memory_limit="60MB", threads=1)
    monkeypatch.setattr("duckbourse.diff.settings", lambda: little)
    with opened(*paths) as comparison:
        [change] = comparison.changes()
    assert counts(change) == (0, 0, 300_000, 0)
