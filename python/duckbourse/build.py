"""One `dbt build` in a child process: prepared, followed line by line, stopped with its parent."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from filecmp import cmp
from importlib.metadata import version
from pathlib import Path

import duckdb
import yaml

from duckbourse import clock, state
from duckbourse.disk import wrap_os_error
from duckbourse.errors import (
    BourseError,
    BuildFailed,
    ConfigurationError,
    StorageFull,
)
from duckbourse.names import did_you_mean, nearest
from duckbourse.progress import (
    NO_MATCH,
    Outcome,
    Progress,
    last_times,
    one_line,
    outcome_of,
)
from duckbourse.settings import PROJECT, settings
from duckbourse.warehouse import attach, is_full

# built in every run, so that the file records its run
ALWAYS = ["serving__publication"]
# The error of dbt for a model that reads what does not exist.
UNKNOWN_NODE = re.compile(r"'\w+\.\w+\.(\w+)'.* depends on a node named '(\w+)'.* was not found")
SCANNERS = "macros/scanners/scanners.sql"
# How long dbt may take to stop; killing it damages no file, so a short time will do.
STOP_SECONDS = 5

# what a full build reads beside the data, and what makes the published file of it
READ_FOLDERS = ("models", "macros", "functions", "seeds", "tests", "packages")
READ_FILES = ("dbt_project.yml", "packages.yml", "profiles.yml")
MADE_BY = ("build.py", "dbt_build.py", "node_codes.py", "publish.py")
ENGINES = ("duckdb", "dbt-core", "dbt-duckdb")

LIBC = ctypes.CDLL(None)  # loaded here, since nothing may be loaded between fork and exec


@dataclass(frozen=True)
class Request:
    """What to build: everything, or what dbt's selectors choose."""

    full_refresh: bool = False
    select: str | None = None
    variables: str | None = None
    threads: int | None = None


Watch = Callable[[Progress, str | None], None]


def build(request: Request, watch: Watch) -> Outcome:
    """
    Run `dbt build` to its end and record the state of the build file.

    The caller must be the build file's sole owner. A red build returns its failures; if dbt could
    not build at all, raise. On an exception, Ctrl-C included, dbt is stopped first.
    """
    check_variables(request.variables)
    before = state.load(settings().build_database)
    _prepare_folders()
    _check_file(request)
    install_packages()
    progress = Progress(last_times())
    state.save(settings().build_database, None)
    started = clock.elapsed_seconds()
    # before dbt reads: what arrives meanwhile is new to the next build
    read = inputs(request)
    try:
        return_code, stray = _run(request, before, read, progress, watch)
    except BaseException:
        _put_back(before, progress)
        raise
    outcome = outcome_of(progress, clock.elapsed_seconds() - started)
    if return_code and not outcome.failures:
        _put_back(before, progress)
        raise _no_build(progress, stray, return_code)
    _record(request, outcome, before, read, progress)
    return outcome


def up_to_date(request: Request) -> state.State | None:
    """
    Return the state of the build file if this request would make the same file again, or None.

    It would if the last full build was green and read exactly what there is now: the project's
    files, seeds, data and variables, with the same versions of dbt and DuckDB.
    """
    before = state.load(settings().build_database)
    if request.full_refresh or request.select or before is None:
        return None
    if before.unproven or before.outdated:
        return None
    return before if before.inputs and before.inputs == inputs(request) else None


def inputs(request: Request) -> dict[str, str]:
    """
    Return all that a full build reads, by name, with a hash of each.

    Of the project's files it is that of the content. Of a folder of data (`raw/daily`) it is that
    of the names, sizes and times of change, since Parquet is written once, and may be large.
    """
    package = Path(__file__).parent
    files = [PROJECT / name for name in READ_FILES] + [package / name for name in MADE_BY]
    files += [path for folder in READ_FOLDERS for path in (PROJECT / folder).rglob("*")]
    found = {
        path.relative_to(PROJECT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in filter(Path.is_file, files)
    }
    folders = [settings().raw, *([settings().data / "sample"] if settings().sample else [])]
    for folder in folders:
        lines: dict[str, list[str]] = {}
        for path in sorted(folder.rglob("*.parquet")):
            known, place = path.stat(), path.relative_to(folder)
            line = f"{place} {known.st_size} {known.st_mtime_ns}\n"
            lines.setdefault(f"{folder.name}/{place.parts[0]}", []).append(line)
        for name, text in lines.items():
            found[name] = hashlib.sha256("".join(text).encode()).hexdigest()
    found |= {name: version(name) for name in ENGINES}
    return found | {"variables": request.variables or ""}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of the inputs that were changed, added or removed."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def check_variables(text: str | None) -> None:
    """Refuse names in `--vars` that dbt_project.yml does not have; dbt ignores them silently."""
    if text is None:
        return
    try:
        given = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(
            f"--vars {text!r} cannot be read: {' '.join(str(error).split())}",
            "write it as --vars '{as_of: 2024-01-31}'",
        ) from error
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"--vars {text!r} is not a mapping", "write it as --vars '{as_of: 2024-01-31}'"
        )
    known = yaml.safe_load((PROJECT / "dbt_project.yml").read_text()).get("vars") or {}
    for name in given:
        if name not in known:
            raise ConfigurationError(
                f"there is no variable {name!r}{did_you_mean(name, known)}",
                "dbt_project.yml lists them: " + ", ".join(known),
            )


def report_failure(outcome: Outcome, select: str | None = None) -> BourseError:
    """Return the error for a red outcome, whose details name the nodes that failed."""
    error = _failure(outcome, select)
    error.details = {
        "invocation_id": outcome.invocation_id,
        "failed": [f"{failure.kind} {failure.name}" for failure in outcome.failures],
        "first_error": str(outcome.failures[0]),
    }
    return error


def _failure(outcome: Outcome, select: str | None) -> BourseError:
    count = len(outcome.failures)
    full = next((f for f in outcome.failures if is_full(f.problem)), None)
    if full:
        return StorageFull(
            f"the disk of {settings().data} is full ({full.name}: {full.problem})",
            "free some space, or set BOURSE_DATA_DIR to a folder on a larger disk; "
            "nothing was published",
        )
    starved = next((f for f in outcome.failures if "Out of Memory" in f.problem), None)
    if starved:
        return BuildFailed(
            f"{settings().memory_limit} of memory was not enough for {starved.name}",
            "set BOURSE_MEMORY_LIMIT higher, or BOURSE_THREADS lower; nothing was published",
        )
    skipped = sum(status == "skipped" for status in outcome.statuses.values())
    # hooks are operations, and no nodes of the project
    total = sum(not node.startswith("operation.") for node in outcome.statuses)
    depend, were = ("depends", "was") if skipped == 1 else ("depend", "were")
    on = "it" if count == 1 else "them"
    left_out = f", and {skipped:,} that {depend} on {on} {were} skipped" if skipped else ""
    remedy = "fix what is listed above and run it again; nothing was published"
    if select and (late := sum(node.startswith("model.") for node in outcome.outdated)):
        tables = "1 table that reads" if late == 1 else f"{late:,} tables that read"
        following = " ".join(_with_all_below(word) for word in select.split())
        remedy = (
            f"{tables} what you built {'was' if late == 1 else 'were'} not rebuilt, which may be"
            f" the reason: run ./bourse build -s {shlex.quote(following)}; or {remedy}"
        )
    return BuildFailed(f"{count} of {total:,} nodes failed{left_out}", remedy)


def _with_all_below(selector: str) -> str:
    return re.sub(r"\+\d*$", "", selector).removeprefix("@") + "+"


def _prepare_folders() -> None:
    data = settings().data
    try:
        (settings().build_database.parent / "spill").mkdir(parents=True, exist_ok=True)
        # A data folder elsewhere needs the shipped sample, and the files without rows that give
        # every glob a match.
        sample = PROJECT / "data" / "sample"
        if settings().sample and sample.is_dir() and not (data / "sample").exists():
            # the link of a project that was moved since leads nowhere
            (data / "sample").unlink(missing_ok=True)
            (data / "sample").symlink_to(sample, target_is_directory=True)
        for empty in (PROJECT / "data" / "raw").glob("*/zz_empty.parquet"):
            here = settings().raw / empty.parent.name / empty.name
            # that of the fills grows with their columns, and exports never edit it
            is_old = (
                empty.parent.name == "fills"
                and here.exists()
                and not cmp(empty, here, shallow=False)
            )
            if is_old or not here.exists():
                here.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(empty, here)
    except OSError as error:
        raise wrap_os_error(error, data) from error


def _check_file(request: Request) -> None:
    database = settings().build_database
    is_empty = True
    if database.exists():
        with duckdb.connect() as connection:
            attach(connection, database, read_only=False)
            tables = "select 1 from duckdb_tables() where schema_name != 'build_state' limit 1"
            is_empty = connection.execute(tables).fetchone() is None
    if request.select and is_empty:
        raise ConfigurationError(
            f"--select needs a full build to add to, and {database} has none yet",
            "run `./bourse build` once, without --select",
        )


def install_packages() -> None:
    """Link the packages of packages.yml into dbt_packages if they are missing or outdated."""
    wanted, installed = PROJECT / "packages.yml", PROJECT / "dbt_packages"
    if not wanted.exists():
        return
    if (
        installed.is_dir()
        and all(package.exists() for package in installed.iterdir())
        and installed.stat().st_mtime >= wanted.stat().st_mtime
    ):
        return
    command = [sys.executable, "-m", "dbt.cli.main", "deps", *_place(), "--quiet"]
    process = subprocess.run(
        command, cwd=PROJECT, env=dbt_environment(), capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise BuildFailed(
            f"dbt deps failed: {one_line(process.stdout + process.stderr)}",
            "see packages.yml and logs/dbt.log",
        )
    installed.mkdir(exist_ok=True)
    os.utime(installed)


def _place() -> list[str]:
    return ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]


def reuse_parse(of: Path, into: Path) -> None:
    """Copy dbt's saved parse, if there is one, from one target folder to another."""
    saved = of / "partial_parse.msgpack"
    (into / saved.name).unlink(missing_ok=True)
    if saved.exists():
        into.mkdir(parents=True, exist_ok=True)
        shutil.copy(saved, into)


def dbt_environment(threads: int | None = None) -> dict[str, str]:
    """Return the environment for dbt, with the variables that profiles.yml and models read."""
    # profiles.yml reads only the environment, the settings also .env. The data folder is passed
    # exactly as set: another spelling of it would make dbt parse everything again.
    return {
        "BOURSE_GIT_REVISION": _git_revision(),
        **os.environ,
        "BOURSE_DATA_DIR": str(settings().data_dir),
        "BOURSE_SAMPLE": str(settings().sample).lower(),
        "BOURSE_THREADS": str(threads or settings().threads),
        "BOURSE_MODEL_THREADS": str(settings().model_threads),
        "BOURSE_MEMORY_LIMIT": settings().memory_limit,
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _git_revision() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.check_output(
            command, cwd=PROJECT, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _run(
    request: Request,
    before: state.State | None,
    read: Mapping[str, str],
    progress: Progress,
    watch: Watch,
) -> tuple[int, list[str]]:
    words = ["--full-refresh"] if request.full_refresh else []
    selectors = request.select.split() if request.select else []
    if selectors and _are_seeds(selectors):
        # a unit test has rows of its own, so that none depends on a seed's
        words += ["--exclude-resource-type", "unit_test"]
    known = None
    if before and not request.full_refresh and (selectors or before.inputs):
        known = {
            "codes": before.codes,
            "unproven": before.unproven,
            "outdated": before.outdated,
            "changed": differences(before.inputs, read),
        }
    variables = ["--vars", request.variables] if request.variables else []
    given = {
        "place": [*_place(), "--target", "build", *variables],
        "words": words,
        "selectors": selectors,
        "always": ALWAYS,
        "before": known,
    }
    command = [sys.executable, "-m", "duckbourse.dbt_build"]
    stray: list[str] = []
    with _child(command, dbt_environment(request.threads)) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        # a command line of this length is refused; if dbt has ended already, its code says it
        with suppress(BrokenPipeError), child.stdin:
            json.dump(given, child.stdin)
        child.stdin = None  # `communicate` would flush it
        for line in child.stdout:
            try:
                event = json.loads(line)
                ended = progress.see(event)
            except (ValueError, KeyError, TypeError):
                stray.append(line.rstrip())
                continue
            if progress.unmatched and event["info"]["name"] != NO_MATCH:
                raise _unmatched(progress.unmatched)
            watch(progress, ended)
        return child.wait(), stray


def _unmatched(selectors: list[str]) -> ConfigurationError:
    nodes = _nodes()
    # without what dbt selects around it
    names = {each: re.sub(r"^(\d*\+|@)|\+\d*$", "", each) for each in dict.fromkeys(selectors)}
    meant = {each: _meant(name, nodes) for each, name in names.items()}
    said = [
        f"{each} matches nothing"
        + (f"; did you mean {' or '.join(map(repr, models))}?" if models else "")
        for each, models in meant.items()
    ]
    examples = [each.replace(names[each], models[0]) for each, models in meant.items() if models]
    return ConfigurationError(
        f"--select {', '.join(said)}",
        f"name models as their files: --select '{(examples or ['indicators__momentum+'])[0]}'",
    )


def _meant(name: str, nodes: Collection[str]) -> list[str]:
    # a name without its layer is that of several models: indicators__momentum, scanners__momentum
    models = sorted(node for node in nodes if node.partition("__")[2] == name)
    if models:
        return models
    # and a seed has no layer
    without = name.partition("__")[2]
    near = without if without in nodes else nearest(name, nodes)
    return [] if near is None else [near]


def _are_seeds(selectors: Collection[str]) -> bool:
    seeds = {path.stem for path in (PROJECT / "seeds").rglob("*.csv")}
    return {word.partition("+")[0] for word in selectors} <= seeds


@contextmanager
def _child(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    # A session of its own, so that Ctrl-C reaches dbt once, and only through us.
    child = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_before_dbt,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            try:
                child.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()


def _before_dbt() -> None:
    # A background job of a shell ignores SIGINT, which must stop dbt. If the launcher is killed,
    # dbt must not stay behind and hold the build file (PR_SET_PDEATHSIG).
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        LIBC.prctl(1, signal.SIGKILL)


def _no_build(progress: Progress, stray: list[str], return_code: int) -> BourseError:
    # dbt failed without a failed node: a model that does not parse, no memory, a signal.
    if return_code < 0:
        return BuildFailed(
            f"dbt was ended by {signal.Signals(-return_code).name}",
            "if no one ended it, memory ran out: set BOURSE_MEMORY_LIMIT below what is free",
        )
    text = "\n".join(progress.messages or stray[-5:]) or f"exit code {return_code}"
    if is_full(text):
        return StorageFull(f"the disk is full: {one_line(text)}", "free some space")
    if unknown := UNKNOWN_NODE.search(one_line(text, whole=True)):
        return _unknown_node(*unknown.groups())
    return BuildFailed(
        f"dbt could not build: {one_line(text, whole=True)}", "logs/dbt.log has more"
    )


def _unknown_node(reader: str, name: str) -> BourseError:
    scanner, nodes = name.removesuffix("_presets"), _nodes()
    scanners = PROJECT / SCANNERS
    if scanner != name and scanners.exists() and f"'{scanner}'" in scanners.read_text():
        presets = [each.removesuffix("_presets") for each in nodes if each.endswith("_presets")]
        return BuildFailed(
            f"{SCANNERS}: {scanner!r}: there is no seed {name}{did_you_mean(scanner, presets)}",
            f"correct the name, or add seeds/scanners/{name}.csv",
        )
    return BuildFailed(
        f"{nodes.get(reader, reader)}: there is no model or seed {name!r}"
        f"{did_you_mean(name, nodes)}",
        "correct the name in its ref()",
    )


def _nodes() -> dict[str, Path]:
    files = [*(PROJECT / "models").rglob("*.sql"), *(PROJECT / "seeds").rglob("*.csv")]
    return {file.stem: file.relative_to(PROJECT) for file in files}


def _put_back(before: state.State | None, progress: Progress) -> None:
    # No node was started, so the file is unchanged; if it is not, its time of change shows it.
    if not progress.done and not progress.running:
        state.save(settings().build_database, before)


def _record(
    request: Request,
    outcome: Outcome,
    before: state.State | None,
    read: Mapping[str, str],
    progress: Progress,
) -> None:
    database = settings().build_database
    try:
        after = state.after(
            outcome.invocation_id,
            outcome.statuses,
            before,
            database,
            full=request.select is None,
            variables=request.variables or "",
            codes=progress.codes,
            outdated=progress.outdated,
            inputs=read,
        )
        state.save(database, after)
    except OSError as error:
        if not outcome.failures:
            raise wrap_os_error(error, database) from error
