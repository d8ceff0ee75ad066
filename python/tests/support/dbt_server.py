"""
A server for dbt commands that parses the project once.

A dbt command spends seconds on imports and parsing before it does anything. Here one process does
both, opens no database, and forks for every command, so that each still has its own process,
environment and DuckDB. It compiles the templates for all of its forks, which make no messages of
details that nobody reads. Only the data folder differs between commands: the project is parsed with
`DATA_AS_READ` in its place. Of an edited copy of the project, the child parses what was edited.

Run as a program, it takes requests as lines of JSON and answers each with one line: the exit code
and the CPU seconds.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any
from unittest import mock

from duckbourse.build import dbt_environment, reuse_parse
from duckbourse.settings import PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

DATA_AS_READ = "target/test-data"
SAVED_PARSE = "partial_parse.msgpack"
# in a fork: its threads are those of the process that started it
STATIC_PARSER_HANGS = ("--no-static-parser",)


def run_dbt(
    words: list[str],
    *,
    data: Path,
    sample: bool,
    target: Path,
    project: Path = PROJECT,
    cores: int | None = None,
) -> tuple[int, str]:
    """
    Run a dbt command on the project or a copy of it; return its exit code and output.

    DuckDB uses the given number of cores, or that of the environment.
    """
    target.mkdir(parents=True, exist_ok=True)
    printed = target / "printed.txt"
    request = {
        "words": words,
        "data": str(data),
        "sample": sample,
        "target": str(target),
        "project": str(project),
        "printed": str(printed),
        "more": {} if cores is None else {"BOURSE_THREADS": str(cores)},
    }
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    if not answer:
        raise RuntimeError(f"the server of dbt has ended with {server.wait()}")
    code, seconds = json.loads(answer)
    _of_commands.append(seconds)
    return code, printed.read_text()


_of_commands: list[float] = []


def cpu_seconds() -> float:
    """Return the CPU seconds of this process to date, with children and dbt commands."""
    used = os.times()
    of_children = used.children_user + used.children_system
    return used.user + used.system + of_children + sum(_of_commands)


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.dbt_server"],
        cwd=PROJECT,
        env={
            **os.environ,
            **dbt_environment(),
            "BOURSE_DATA_DIR": DATA_AS_READ,
            "BOURSE_SAMPLE": "true",
            "PYTHONPATH": str(PROJECT / "python"),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.kill)
    return server


def read_project() -> Manifest:
    """Parse the project once per process, as the start of its forks."""
    manifest, _ = _read()
    return manifest


@cache
def _read() -> tuple[Manifest, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        # start from the parse of `./bourse test`; dbt parses changes since then
        reuse_parse(PROJECT / "target" / "test", target)
        manifest, saved = _parse(target), (target / SAVED_PARSE).read_bytes()
    return manifest, saved


def share_templates(manifest: Manifest) -> None:
    """
    Compile each template once for this process and its forks.

    dbt compiles a macro once per process, and a model or a test each time that it is rendered.
    """
    from dbt_common.clients.jinja import MacroFuzzEnvironment, get_environment

    compiled: dict[tuple[type, str], CodeType] = {}
    compile_one: Any = MacroFuzzEnvironment.compile

    def compile_once(environment: Any, source: Any, *names: Any, **options: Any) -> Any:
        if names or options or not isinstance(source, str):
            return compile_one(environment, source, *names, **options)
        # a native one renders values instead of text
        key = type(environment), source
        if key not in compiled:
            compiled[key] = compile_one(environment, source)
        return compiled[key]

    mock.patch.object(MacroFuzzEnvironment, "compile", compile_once).start()
    templates = [macro.macro_sql for macro in manifest.macros.values()]
    templates += [str(node.raw_code) for node in manifest.nodes.values()]
    environment = get_environment()
    for template in templates:
        environment.compile(template)


def leave_out_details() -> None:
    """Make no messages of dbt's events of level debug, which take as long as small queries."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager

    fire: Any = EventManager.fire_event

    def fire_others(manager: EventManager, event: Any, level: Any = None, **options: Any) -> None:
        if (level or event.level_tag()) != EventLevel.DEBUG:
            fire(manager, event, level, **options)

    mock.patch.object(EventManager, "fire_event", fire_others).start()


def _parse(target: Path, *words: str) -> Manifest:
    from dbt.cli.main import dbtRunner

    words = ("--quiet", "--no-write-json", "--log-path", str(target), *words)
    # dbt reads a saved parse only with the target of the build that saved it
    parse = ("parse", "--target", "build", "--target-path", str(target))
    outcome = dbtRunner().invoke([*words, *parse])
    if outcome.exception is not None:
        raise outcome.exception
    manifest: Manifest = outcome.result  # type: ignore[assignment]
    return manifest


def locate_sources(manifest: Manifest, data: str, sample: bool) -> None:
    """Point the sources of the project to another data folder."""
    for source in manifest.sources.values():
        # both may be the same object
        for meta in {id(meta): meta for meta in (source.meta, source.config.meta)}.values():
            location = meta["external_location"]
            assert DATA_AS_READ in location, source.name
            if not sample:
                location = re.sub(f"'{DATA_AS_READ}/sample/[^']*',", "", location)
            meta["external_location"] = location.replace(DATA_AS_READ, data)


def _command(request: dict[str, Any]) -> int:
    from dbt.cli.main import dbtRunner

    from duckbourse.dbt_build import COLLECTION_THRESHOLD

    gc.set_threshold(COLLECTION_THRESHOLD)
    # the artifacts take as long as all else that a small command does
    quiet = ["--no-use-colors", "--quiet", "--log-level-file", "none", "--no-write-json"]
    words = [*quiet, *request["words"]]
    manifest: Manifest | None
    manifest, saved = _read()
    if request["project"] != str(PROJECT):
        os.chdir(request["project"])
        target = Path(request["target"])
        (target / SAVED_PARSE).write_bytes(saved)
        # before packages are installed, there is nothing to parse
        manifest = None if request["words"] == ["deps"] else _parse(target, *STATIC_PARSER_HANGS)
    if manifest is not None:
        locate_sources(manifest, request["data"], request["sample"])
    os.environ |= {
        "BOURSE_DATA_DIR": request["data"],
        "DBT_TARGET_PATH": request["target"],
        "DBT_LOG_PATH": f"{request['target']}/logs",
        **request["more"],
    }
    outcome = dbtRunner(manifest).invoke(words)
    if outcome.exception is not None:
        print(outcome.exception)
        return 2
    return 0 if outcome.success else 1


def forked(printed: Path, command: Callable[[], int]) -> tuple[int, float]:
    """Run a command in a child process; return its exit code and CPU seconds."""
    child = os.fork()
    if child:
        _, status, used = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
    code = 70
    try:
        output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = command()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    counted = 0.0
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if not gc.get_freeze_count():
                share_templates(read_project())
                leave_out_details()
                # the forks share this memory, until a search for cycles touches, so copies, it
                gc.collect()
                gc.freeze()
            code, seconds = forked(Path(request["printed"]), partial(_command, request))
        except Exception as error:
            Path(request["printed"]).write_text(f"dbt cannot read the project: {error}")
            code, seconds = 2, 0.0
        # includes the cost of parsing
        own = time.process_time()
        answers.write(json.dumps((code, seconds + own - counted)) + "\n")
        answers.flush()
        counted = own


if __name__ == "__main__":
    _serve()
