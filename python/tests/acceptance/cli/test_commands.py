"""Output and errors of the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from duckbourse import state
from duckbourse.cli.main import COMMANDS, app
from duckbourse.cli.sql import sql
from duckbourse.errors import BadQuery
from duckbourse.publish import publish
from duckbourse.warehouse import open_published
from tests.support.minimal_project import MinimalProject
from tests.support.publications import make


@pytest.fixture(scope="module")
def minimal_project(tmp_path_factory: pytest.TempPathFactory) -> MinimalProject:
    minimal_project = MinimalProject.create(tmp_path_factory.mktemp("cli") / "project")
    publish(minimal_project.built, minimal_project.published, make(minimal_project.built, rows=150))
    return minimal_project


def test_each_command_has_help_with_an_example() -> None:
    runner = CliRunner()
    top = runner.invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert command in top
        assert f"./bourse {command}" in runner.invoke(app, [command, "--help"]).output


def test_the_version_is_that_of_the_project(minimal_project: MinimalProject) -> None:
    assert minimal_project.bourse("--version").stdout.startswith("duckbourse 0.1.0 (dbt-core 1.11")


def test_a_query_is_answered_within_the_limit(minimal_project: MinimalProject) -> None:
    process = minimal_project.bourse("sql", "from bars.ohlcv order by symbol", "--limit", "5")
    assert [line.split()[0] for line in process.stdout.splitlines()] == [
        "symbol",
        *("S0", "S1", "S10", "S100", "S101"),
    ]
    assert "more than 5 rows" in process.stderr
    answer = minimal_project.bourse(
        "sql", "select 1.5 as n, 'nan'::double as x, null as z", "--json"
    ).stdout
    assert json.loads(answer) == [{"n": 1.5, "x": None, "z": None}]
    answer = minimal_project.bourse(
        "sql", "select symbol, close from bars.ohlcv limit 2", "--csv"
    ).stdout
    assert len(list(csv.DictReader(io.StringIO(answer)))) == 2


def test_a_wide_row_stays_on_one_line(minimal_project: MinimalProject) -> None:
    wide = ", ".join(f"'{'x' * 30}' as column_{n}" for n in range(20))
    lines = minimal_project.bourse("sql", f"select {wide} from range(3)").stdout.splitlines()
    assert len(lines) == 4
    assert all(line.count("x" * 30) == 20 for line in lines[1:])


@pytest.mark.parametrize(
    "query",
    [
        "delete from bars.ohlcv",
        "select * from read_csv('/etc/passwd')",
        "copy bars.ohlcv to 'here.csv'",
        "set enable_external_access = true",
        "attach 'build/duckbourse.duckdb' as other",
        "from bars.nosuch",
        "selec 1",
    ],
)
def test_an_invalid_query_is_one_line(
    minimal_project: MinimalProject, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "duckbourse.cli.sql.open_published", lambda: open_published(minimal_project.published)
    )
    with pytest.raises(BadQuery) as refused:
        sql(query)
    assert "\n" not in str(refused.value)
    assert refused.value.remedy


def test_publishing_again_restores_the_file(minimal_project: MinimalProject) -> None:
    minimal_project.published.unlink()
    process = minimal_project.bourse("sql", "select 1")
    assert (process.returncode, "nothing has been published" in process.stderr) == (5, True)
    process = minimal_project.bourse("publish")
    assert process.returncode == 0, process.stderr
    assert minimal_project.published.exists()


def test_a_publication_does_not_wait_for_another(minimal_project: MinimalProject) -> None:
    with state.sole_owner(minimal_project.built):
        process = minimal_project.bourse("publish")
    assert process.returncode == 4
    assert "is being built, published or restored by process" in process.stderr


def test_a_wrong_setting_is_one_line(minimal_project: MinimalProject) -> None:
    process = minimal_project.bourse("publish", BOURSE_THREADS="none")
    assert process.returncode == 2
    assert process.stderr.startswith("error: BOURSE_THREADS='none' is not usable")


def test_an_internal_error_is_one_line_and_its_traceback_is_kept(
    minimal_project: MinimalProject,
) -> None:
    script = (
        "import sys; from duckbourse import state; from duckbourse.cli import main;"
        "state.load = lambda path: 1 / 0; sys.argv = ['bourse', 'publish']; main.main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        cwd=minimal_project.folder,
        env=minimal_project.environment(),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 70
    error, remedy = process.stderr.splitlines()
    assert error == "error: internal error: ZeroDivisionError: division by zero"
    log = minimal_project.folder / "logs" / "bourse.log"
    assert str(log) in remedy
    assert "ZeroDivisionError" in json.loads(log.read_text().splitlines()[-1])["exception"]


def test_colors_are_for_terminals(minimal_project: MinimalProject) -> None:
    script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-c", script, *minimal_project.command("sql", "from nosuch")]

    def seen(**more: str) -> bytes:
        environment = minimal_project.environment(TERM="xterm", **more)
        environment.pop("NO_COLOR", None) if not more else None
        return subprocess.run(
            command,
            cwd=minimal_project.folder,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        ).stdout

    assert b"\x1b[1;31merror:" in seen()
    assert b"\x1b[1;31m" not in seen(NO_COLOR="1")
    assert "\x1b" not in minimal_project.bourse("sql", "from nosuch").stderr
