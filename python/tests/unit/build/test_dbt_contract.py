"""
What we need of dbt's insides, all of it, so that an upgrade fails here and says what is missing.

dbt documents none of this. `duckbourse/dbt_build.py` runs dbt in its own process and reads its
manifest and results; `duckbourse/progress.py` and `duckbourse/build.py` read its events and texts.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

import dbt.task.test
import pytest
from click import Command
from dbt.artifacts.schemas.results import NodeStatus
from dbt.artifacts.schemas.run import RunResult
from dbt.cli.main import cli, dbtRunner, dbtRunnerResult
from dbt.constants import PARTIAL_PARSE_FILE_NAME
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import (
    FunctionNode,
    GenericTestNode,
    ModelNode,
    SeedNode,
    UnitTestDefinition,
)
from dbt.events import core_types_pb2 as events
from dbt.task.build import BuildTask
from dbt_common.events import functions

from duckbourse import dbt_build
from duckbourse.progress import OF_UNIT_TEST
from duckbourse.state import GREEN


def of_class(owner: type) -> set[str]:
    return {*dir(owner), *getattr(owner, "__dataclass_fields__", ())}


def of_call(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def of_event(name: str) -> set[str]:
    event = getattr(events, name, None)
    return set(event.DESCRIPTOR.fields_by_name) if event else set()


def of_command(command: Command) -> set[str]:
    return {word for each in command.params for word in (*each.opts, *each.secondary_opts)}


def of_maps() -> set[str]:
    manifest = Manifest()
    manifest.build_parent_and_child_maps()  # type: ignore[no-untyped-call]
    return set(vars(manifest))


@dataclass(frozen=True)
class Need:
    """Names that something of dbt must have, and what for."""

    owner: str
    there: Iterable[str]
    names: Iterable[str]
    why: str


BUILD, PARSE = cli.commands["build"], cli.commands["parse"]
NODE = ("unique_id", "name", "original_file_path")
IN_SQL = (*NODE, "checksum", "depends_on", "schema", "alias", "config")
NEEDS = [
    Need(
        "BuildTask",
        of_call(BuildTask.handle_job_queue) | set(BuildTask.__init__.__code__.co_names),
        ("pool", "callback", "selected_unit_tests"),
        "count unit tests once",
    ),
    Need("dbtRunner()", of_call(dbtRunner), ("manifest", "callbacks"), "parse once, follow events"),
    Need("dbtRunner", of_class(dbtRunner), ("invoke",), "run dbt in this process"),
    Need(
        "dbtRunnerResult",
        of_class(dbtRunnerResult),
        ("success", "exception", "result"),
        "know how a build ended",
    ),
    Need("dbt_common.events.functions", dir(functions), ("msg_to_dict",), "print an event"),
    Need(
        "dbt",
        of_command(cli),
        ("--log-level", "--log-level-file", "--no-use-colors", "--no-write-json"),
        "keep dbt quiet, and the manifest of the last full build",
    ),
    *(
        Need(
            f"dbt {name}",
            of_command(command),
            ("--project-dir", "--profiles-dir", "--target", "--vars"),
            "name the project",
        )
        for name, command in (("build", BUILD), ("parse", PARSE))
    ),
    Need(
        "dbt build",
        of_command(BUILD),
        ("--select", "--full-refresh", "--exclude-resource-type"),
        "build a part",
    ),
    Need(
        "Manifest",
        of_class(Manifest) | of_maps(),
        ("nodes", "functions", "expect", "child_map"),
        "narrow a selection",
    ),
    *(
        Need(kind.__name__, of_class(kind), IN_SQL, "know whether its SQL has changed")
        for kind in (ModelNode, SeedNode, FunctionNode)
    ),
    *(
        Need(kind.__name__, of_class(kind), (*NODE, "description"), "report a failure")
        for kind in (GenericTestNode, UnitTestDefinition)
    ),
    Need("GenericTestNode", of_class(GenericTestNode), ("compiled_code",), "show a failing row"),
    Need(
        "RunResult",
        of_class(RunResult),
        ("node", "status", "message", "failures"),
        "report a failure",
    ),
    Need("NodeStatus", [each.value for each in NodeStatus], GREEN, "know a green node"),
    Need("NodeStatus", [each.value for each in NodeStatus], ("skipped", "fail"), "count them"),
    Need(
        "CoreEventInfo",
        of_event("CoreEventInfo"),
        ("name", "level", "msg", "invocation_id"),
        "read events",
    ),
    Need(
        "NodeInfo",
        of_event("NodeInfo"),
        ("unique_id", "node_name", "node_status", "resource_type", "node_relation"),
        "show which node is running",
    ),
    Need("LogStartLine", of_event("LogStartLine"), ("node_info", "index", "total"), "show it"),
    Need(
        "LogModelResult",
        of_event("LogModelResult"),
        ("node_info", "index", "total", "execution_time", "status"),
        "estimate the time left",
    ),
    Need("ConcurrencyLine", of_event("ConcurrencyLine"), ("node_count",), "count the nodes"),
    Need(
        "NoNodesForSelectionCriteria",
        of_event("NoNodesForSelectionCriteria"),
        ("spec_raw",),
        "name a selector that matches nothing",
    ),
    Need("MainEncounteredError", of_event("MainEncounteredError"), ("exc",), "report an error"),
    Need("the name of its parse", [PARTIAL_PARSE_FILE_NAME], ("partial_parse.msgpack",), "copy it"),
]


@pytest.mark.parametrize("need", NEEDS, ids=[each.owner for each in NEEDS])
def test_dbt_has_what_we_need_of_it(need: Need) -> None:
    missing = sorted(set(need.names) - set(need.there))
    assert not missing, (
        f"dbt-core {version('dbt-core')} has no {', '.join(missing)} in {need.owner}, which we need"
        f" to {need.why}: see duckbourse/dbt_build.py, progress.py and build.py"
    )


def test_dbt_words_the_error_of_a_unit_test_as_we_expect() -> None:
    """`progress.py` removes it from an error that is the model's."""
    source = " ".join(inspect.getsource(dbt.task.test).split())
    assert OF_UNIT_TEST.search(source), (
        f"dbt-core {version('dbt-core')} words the error of a unit test differently: correct"
        " OF_UNIT_TEST in duckbourse/progress.py"
    )


def test_all_that_we_import_of_dbt_is_named_here() -> None:
    imported = {
        line.split(" import ")[1]
        for line in map(str.strip, inspect.getsource(dbt_build).splitlines())
        if line.startswith(("from dbt.", "from dbt_common."))
    }
    assert imported == {
        *("BuildTask", "EventMsg", "Manifest", "RunResult", "dbtRunner", "msg_to_dict")
    }
