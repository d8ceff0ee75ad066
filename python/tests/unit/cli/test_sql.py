"""How many rows `./bourse sql` prints: a pipe loses no row."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from threading import Event

import duckdb
import pytest

from duckbourse.cli.output import print_json, print_json_rows
from duckbourse.cli.sql import sql
from duckbourse.errors import BadQuery, ConfigurationError
from duckbourse.warehouse import interrupted_after, open_published, process_within


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "published.duckdb"
    duckdb.connect(str(path)).close()
    monkeypatch.setattr("duckbourse.cli.sql.open_published", lambda: open_published(path))


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("count", [0, 99, 100, 101, 2500])
def test_csv_and_json_have_all_rows(
    capsys: pytest.CaptureFixture[str], kind: str, count: int
) -> None:
    sql(f"select range as n from range({count})", csv=kind == "csv", json=kind == "json")
    printed = capsys.readouterr()
    rows = (
        [row["n"] for row in json.loads(printed.out)]
        if kind == "json"
        else [int(line) for line in printed.out.splitlines()[1:]]
    )
    assert rows == list(range(count))
    assert printed.err == ""


@pytest.mark.parametrize(
    ("kind", "limit", "count", "shown"),
    [
        (None, None, 100, 100),
        (None, None, 101, 100),
        (None, 3, 4, 3),
        (None, 3, 3, 3),
        ("csv", 3, 4, 3),
        ("csv", 3, 3, 3),
        ("json", 3, 4, 3),
    ],
)
def test_a_limit_that_cuts_says_so(
    capsys: pytest.CaptureFixture[str], kind: str | None, limit: int | None, count: int, shown: int
) -> None:
    sql(f"from range({count})", limit=limit, csv=kind == "csv", json=kind == "json")
    printed = capsys.readouterr()
    rows = json.loads(printed.out) if kind == "json" else printed.out.splitlines()[1:]
    assert len(rows) == shown
    assert printed.err == (
        f"there are more than {shown} rows; --limit shows more, --to writes all\n"
        if count > shown
        else ""
    )


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_rows_are_printed_while_the_query_runs(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    last = 100_000
    with pytest.raises(BadQuery, match="too far"):
        sql(
            # a hundred times what DuckDB computes ahead of the rows that are fetched
            f"select repeat('x', 1000) as n, if(range = {last}, error('too far'), range)"
            f" from range({last + 1})",
            csv=kind == "csv",
            json=kind == "json",
        )
    assert len(capsys.readouterr().out) > 10_000


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": "x\ny", "b": [1, {"c": None}]}, {"a": 2}]])
def test_rows_of_json_are_written_like_a_list(
    capsys: pytest.CaptureFixture[str], rows: list[dict[str, object]]
) -> None:
    print_json(rows)
    print_json_rows(rows)
    printed = capsys.readouterr().out
    assert printed == 2 * printed[: len(printed) // 2]


ENDLESS = "select count(*) from range(10_000_000) as one, range(10_000_000) as other"


@pytest.mark.parametrize("to", [None, "rows.csv"])
def test_a_query_is_stopped_after_its_seconds(tmp_path: Path, to: str | None) -> None:
    with pytest.raises(BadQuery, match="took longer than it may") as refused:
        sql(ENDLESS, timeout=0.05, to=tmp_path / to if to else None)
    assert "--timeout" in refused.value.remedy
    assert {path.name for path in tmp_path.iterdir()} == {"published.duckdb"}


def test_a_query_uses_no_more_memory_than_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    sql("select current_setting('memory_limit') as most", memory="64MiB", csv=True)
    assert capsys.readouterr().out == "most\n64.0 MiB\n"
    for memory in ("1; set", "0MB", "15MB", "99999999999GB"):
        with pytest.raises(ConfigurationError, match=f"--memory '{memory}' is no size"):
            sql("select 1", memory=memory)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits the data of a process")
def test_what_duckdb_does_not_count_is_limited_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(BadQuery, match="more memory than it may") as refused:
        # a vector of texts, which no memory_limit holds
        sql("select length(repeat('x', 2000000000))", memory="64MiB")
    assert "--memory" in refused.value.remedy
    assert "Possible solutions" not in str(refused.value)
    with process_within("1GB"):
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
        # nor does a wider one lift the limit
        inner = resource.getrlimit(resource.RLIMIT_DATA)
        with process_within("900GB"):
            assert resource.getrlimit(resource.RLIMIT_DATA) == inner
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("to", [None, "rows.csv"])
def test_a_query_that_looks_at_no_interrupt_ends_with_its_process(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    to: str | None,
) -> None:
    codes: list[int] = []
    monkeypatch.setattr("duckbourse.warehouse.GRACE_SECONDS", -0.1)
    monkeypatch.setattr("duckbourse.cli.sql.os._exit", codes.append)
    with pytest.raises(BadQuery):
        sql(ENDLESS, timeout=0.05, to=tmp_path / to if to else None)
    assert codes[0] == BadQuery.exit_code
    assert "error: the query took longer than it may" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"published.duckdb"}


def test_what_begins_after_the_time_is_over_is_stopped_too() -> None:
    endless = "select count(*) from range(10_000_000) as one, range(10_000_000) as other"
    with duckdb.connect() as connection:
        for _ in range(3):
            with (
                pytest.raises(duckdb.InterruptException),
                interrupted_after(connection, 0.001),
            ):
                Event().wait(0.05)
                connection.execute(endless)
        assert connection.execute("select 1").fetchall() == [(1,)]


def test_a_query_that_ended_is_not_stopped_later() -> None:
    with duckdb.connect() as connection:
        with interrupted_after(connection, 0.001):
            pass
        assert connection.execute("select count(*) from range(20_000_000)").fetchall()
