"""Wrong commands and options, exit codes, and what a shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from duckbourse import errors
from duckbourse.cli.main import COMMANDS, EXIT_CODES, STOPPED, UNEXPECTED, UNREAD, app
from duckbourse.settings import PROJECT
from tests.support.commands import bourse, completions


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("lst", "symbols"), "No such command 'lst'. Did you mean 'list'?"),
        (("backtset", "crp"), "No such command 'backtset'. Did you mean 'backtest'?"),
        (("scan", "--presets", "x"), "No such option: --presets (Possible options: --preset)"),
        (
            ("scan", "--date", "6 May"),
            "Invalid value for '--date': '6 May' is not a date such as 2010-05-28",
        ),
        (
            ("ingest", "x", "--calendar", "NYSE"),
            "--calendar = 'NYSE' is not usable: no calendar is",
        ),
        (
            ("orders", "--account", "paper_usa"),
            "nothing has been traded by paper_usa; did you mean 'paper_us'?",
        ),
        (("list",), "Missing argument 'kind'. Choose from: symbols, presets, portfolios, "),
        (("build", "crp_presets+", "gap+"), "unexpected: 'crp_presets+ gap+'"),
        *(
            ((*words, "--preset", "strict"), "crp.standard and --preset strict contradict each")
            for words in (
                ("scan", "--scanner", "crp.standard"),
                ("trade", "--scanner", "gap", "--scanner", "crp.standard"),
                ("backtest", "crp.standard"),
            )
        ),
        (("ingest", "x", "--calendar", "XLON"), "--calendar = 'XLON' is not usable: "),
        (("ingest", "x", "--mapping", "/nowhere.toml"), "the mapping /nowhere.toml cannot be read"),
        (("ingest", "x", "--delivered-at", "noon"), "--delivered-at 'noon' is not a timestamp"),
        (("deliveries", "withdraw", "zzz"), "there is no delivery 'zzz'"),
        (("deliveries", "--last", "1", "withdraw", "zzz"), "--source, --last, --json and --csv of"),
        (("sql", "select 1", "--json", "--csv"), "--json and --csv cannot be used together"),
    ],
)
def test_a_slip_is_one_line_with_a_remedy(
    words: tuple[str, ...], error: str, tmp_path: Path
) -> None:
    done = bourse(tmp_path, *words)
    assert done.returncode == 2
    first, remedy = done.stderr.splitlines()
    assert first.startswith(f"error: {error}")
    assert remedy.startswith("  remedy: ")
    assert done.stdout == ""


@pytest.mark.any_day
def test_no_remedy_asks_to_trade_what_cannot_be_traded(tmp_path: Path) -> None:
    for words in (("--account", "nobody"), ("--date", "9999-12-31")):
        refused = bourse(tmp_path, "orders", *words).stderr
        assert refused.startswith("error: nothing has been traded")
        assert "./bourse trade" not in refused
    done = bourse(tmp_path, "orders", "--account", "paper_us", "--date", "2010-05-28")
    assert "`./bourse trade --account paper_us --date 2010-05-28` trades it" in done.stderr


def test_help_is_a_command_too(tmp_path: Path) -> None:
    for words in ((), ("list",)):
        done, asked = bourse(tmp_path, "help", *words), bourse(tmp_path, *words, "--help")
        assert (done.returncode, done.stdout) == (0, asked.stdout)


def test_a_query_without_rows_says_so(published: Path) -> None:
    done = bourse(published, "sql", "select 1 as one where false")
    assert done.returncode == 0
    assert "no rows" in done.stderr
    assert "no rows" not in bourse(published, "sql", "select 1 as one").stderr


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("restore", "B", "--into", ""), "the word after --into"),
        (("restore", "B", "--into="), "--into"),
        (("freshness", "--by", ""), "the word after --by"),
        (("freshness", "--source= "), "--source"),
        (("notify", ""), "the word after notify"),
        (("backup", " "), "the word after backup"),
        (("sql", ""), "the word after sql"),
    ],
)
def test_nothing_is_never_taken_for_something(
    words: tuple[str, ...], what: str, tmp_path: Path
) -> None:
    done = bourse(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: {what} is empty",
        "  remedy: give it a value, or omit it; is it a variable that is not set?",
    ]


@pytest.mark.parametrize(
    "words", [("backup", "/b{}"), ("sql", "select '{}'"), ("ingest", "{}.csv")]
)
def test_what_is_not_utf_8_is_a_slip(words: tuple[str, ...], tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff")
    done = bourse(tmp_path, *(word.format(odd) for word in words))
    assert done.returncode == 2
    shown = words[1].format("\\udcff")
    assert done.stderr.splitlines() == [
        f"error: {shown} is not UTF-8",
        "  remedy: write it in UTF-8",
    ]


@pytest.mark.parametrize("words", [("explain", "{}"), ("sql", "select {}"), ("{}",)])
def test_a_long_slip_is_cut(words: tuple[str, ...], published: Path) -> None:
    done = bourse(published, *(word.format("x" * 50_000) for word in words))
    assert done.returncode in (2, 3)
    error, remedy = done.stderr.splitlines()
    assert len(error) < 2_100
    assert " … " in error
    assert len(remedy) < 300


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with a publication."""
    with duckdb.connect(str(tmp_path / "duckbourse.duckdb")) as connection:
        connection.execute("create schema serving; create table serving.publication as select 1")
    return tmp_path


@pytest.mark.parametrize("query", [";", " ;\n; ", "/* nothing; */"])
def test_an_empty_query_is_said_to_be_empty(query: str, published: Path) -> None:
    done = bourse(published, "sql", query)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        'error: the query is empty\n  remedy: `./bourse sql "from serving.publication"` is one\n'
    )


@pytest.mark.parametrize(
    "query",
    [
        "select 'é;' as n -- note",
        "select 'é;' as n; -- note",
        "/* note; */ select 'é;' as n ;; /* a; b */ ; -- select 2",
    ],
)
def test_a_comment_is_no_statement(published: Path, query: str) -> None:
    file = published / "x.csv"
    done = bourse(published, "sql", query, "--to", str(file))
    assert (done.returncode, done.stderr) == (0, f"1 row written to {file}\n")
    assert file.read_text() == "n\né;\n"
    assert bourse(published, "sql", query, "--csv").stdout == "n\né;\n"


@pytest.mark.parametrize("words", [(), ("--to", "x.csv"), ("--json",)])
def test_one_query_is_one_statement(published: Path, words: tuple[str, ...]) -> None:
    done = bourse(published, "sql", "select 1; -- first\nselect 2", *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error: the query has 2 statements, and only one can be answered\n"
        "  remedy: run `./bourse sql` once for each\n"
    )


def test_what_is_no_query_is_printed_and_not_written(published: Path) -> None:
    done = bourse(published, "sql", "explain select 1", "--csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("explain_key,explain_value\nphysical_plan,")
    done = bourse(published, "sql", "explain select 1", "--to", str(published / "x.csv"))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error: --to writes the rows of a query, and this is EXPLAIN\n"
        "  remedy: omit --to, or write a query\n"
    )
    assert not (published / "x.csv").exists()
    pivot = "pivot (select 1 as a, 'x' as b) on b using sum(a)"
    assert bourse(published, "sql", pivot, "--csv").stdout == "x\n1\n"


def test_a_preset_of_filters_alone_finds_no_signals(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "duckbourse.duckdb")) as connection:
        connection.execute("create schema seeds; create schema scanners")
        connection.execute(
            "create table scanners.session_minutes as select date '2010-05-28' as session_date"
        )
        presets = {"crp": "'a' as preset, 3 as max_signals", "flat": "'b' as preset"}
        for scanner, values in presets.items():
            connection.execute(f"create table seeds.{scanner}_presets as select {values}")
            connection.execute(f"create macro {scanner}_scan(p_preset) as table select 1 as n")
    for words in ((), ("--to", str(tmp_path / "x.csv"))):
        done = bourse(tmp_path, "scan", "--preset", "b", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            "error: only filters have the preset 'b', and a filter has no signals",
            "  remedy: --all shows its candidates",
        ]


def test_a_scanner_without_a_table_function_says_so(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "duckbourse.duckdb")) as connection:
        connection.execute("create schema seeds; create schema scanners")
        connection.execute(
            "create table scanners.session_minutes as select date '2010-05-28' as session_date"
        )
        for scanner in ("crp", "mine"):
            connection.execute(f"create table seeds.{scanner}_presets as select 'a' as preset")
        connection.execute("create macro crp_scan(p_preset) as table select 1 as n")
    done = bourse(tmp_path, "scan", "--scanner", "mine.a")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: mine has no table function mine_scan, so it cannot be scanned on read",
        "  remedy: write functions/mine_scan.sql (models/scanners/scans/README.md says how), or see"
        ' what the build found: ./bourse sql "from scanners.mine"',
    ]
    done = bourse(tmp_path, "scan", "--scanner", "mines")
    assert done.stderr.startswith("error: there is no scanner 'mines'")


def test_the_remedy_of_a_wrong_option_is_the_help_of_its_command(tmp_path: Path) -> None:
    _, remedy = bourse(tmp_path, "deliveries", "withdraw", "--rason", "x").stderr.splitlines()
    assert remedy.startswith("  remedy: `./bourse deliveries withdraw --help` shows its options")


def exit_codes(error: type[errors.BourseError] = errors.BourseError) -> Iterator[int]:
    yield error.exit_code
    for below in error.__subclasses__():
        yield from exit_codes(below)


def test_every_exit_code_is_on_one_page() -> None:
    assert {0, UNEXPECTED, STOPPED, UNREAD} | set(exit_codes()) == EXIT_CODES.keys()
    page = (PROJECT / "python" / "README.md").read_text().partition("### Exit codes")[2]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)
    assert {int(code): why for code, why in rows} == EXIT_CODES
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for code, why in EXIT_CODES.items():
        assert f"{code} {why}" in shown


@pytest.mark.parametrize("words", [("--help",), ("status",), ("status", "--json")])
def test_a_closed_pipe_ends_a_command_without_a_word(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "duckbourse.cli", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, "BOURSE_DATA_DIR": str(tmp_path)},
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (UNREAD, b"")


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    assert set(completions(tmp_path, "s")) == {name for name in COMMANDS if name.startswith("s")}
    assert completions(tmp_path, "scan", "--cs") == ["--csv"]
    assert completions(tmp_path, "list", "p") == ["presets", "portfolios"]
    # names are read from the published file, and there is none
    assert completions(tmp_path, "risk", "eq") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_of_the_name_without_a_folder(shell: str, tmp_path: Path) -> None:
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = bourse(tmp_path, "--show-completion", shell, **named)
    assert done.returncode == 0
    assert f"_BOURSE_COMPLETE=complete_{shell}" in done.stdout
    assert "./bourse" not in done.stdout
