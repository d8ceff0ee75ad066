"""
Rules for every test: the clock, the data, and tests that run only with --long.

A test that reads `duckbourse.clock` without setting it is marked: with `any_day` it runs on each
of the dates in `tests/support/days.py`; with `some_day`, where that would take too long, on the one
that its name decides. Without a mark it fails. That holds for code in the test's own process.
Another process that a test starts reads the real clock; so `acceptance/cli/test_any_day.py` runs
every command that reads it in this one.
"""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections import defaultdict
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from zlib import crc32

import hypothesis
import pytest
import structlog

from duckbourse import clock, state
from duckbourse.settings import PROJECT
from tests.support.days import DAYS
from tests.support.dbt_server import cpu_seconds
from tests.support.once import made_once
from tests.support.receiver import Receiver, receiving
from tests.support.stores import Shop
from tests.support.warehouse import WITHOUT_TESTS, Warehouse, empty_store


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the proofs that take minutes too")
    parser.addoption(
        "--broker-case", metavar="MODULE:FUNCTION", help="test the contract on this broker alone"
    )
    parser.addoption("--costs", metavar="FILE", help="write CPU seconds by folder of tests there")


def pytest_configure(config: pytest.Config) -> None:
    # No deadline, since a busy machine is slow. Only --long draws new examples: an ordinary run
    # must not pass or fail by chance.
    hypothesis.settings.register_profile(
        "duckbourse",
        deadline=None,
        derandomize=not config.getoption("--long"),
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("duckbourse")
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(LeftOpen())
    config.pluginmanager.register(FailuresAtOnce(config))
    if costs := config.getoption("--costs"):
        config.pluginmanager.register(Costs(Path(costs)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = list(DAYS)
    if metafunc.definition.get_closest_marker("some_day"):
        names = [names[crc32(metafunc.function.__name__.encode()) % len(names)]]
    elif not metafunc.definition.get_closest_marker("any_day"):
        return
    days = [DAYS[name] for name in names]
    metafunc.parametrize("day_of_test", days, ids=names, indirect=True)


UNMARKED = "this test reads the clock: set it with clock.driven_by, or mark it any_day or some_day"
_cpu_seconds_before = cpu_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    global _cpu_seconds_before
    report = yield
    now = cpu_seconds()
    report.cpu_seconds = now - _cpu_seconds_before  # type: ignore[attr-defined]
    _cpu_seconds_before = now
    return report


class Costs:
    """Sums the cost of the tests of each folder over all workers, and writes it to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of_folders: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder = report.nodeid.split("tests/", 1)[-1].split("/", 1)[0]
        folder = "unit" if folder == "brokers" else folder
        # the report of a crashed worker has none
        self._of_folders[folder] += getattr(report, "cpu_seconds", 0.0)

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._of_folders))


class FailuresAtOnce:
    """Prints a failure when it happens; pytest repeats all of them at the end of a long run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_sep("─", f"{report.outcome}: {report.nodeid}", red=True)
            terminal.write_line(report.longreprtext)


class LeftOpen:
    """
    Fails the run, but none of its tests, for anything left open.

    The garbage collector finds an open file, socket, process or coroutine in whichever test
    happens to run at that time.
    """

    def __init__(self) -> None:
        self._found: list[str] = []

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, nodeid: str
    ) -> None:
        if issubclass(warning_message.category, pytest.PytestUnraisableExceptionWarning):
            self._found.append(f"by the end of {nodeid or 'the run'}: {warning_message.message}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._found:
            terminalreporter.section("left open, which fails the run", red=True)
            for found in self._found:
                terminalreporter.write_line(found)


@pytest.fixture(autouse=True, scope="session")
def a_saturday() -> Iterator[None]:
    """Create what several tests share on a Saturday, whatever today is."""
    with clock.driven_by(clock.running_from(DAYS["a Saturday"])):
        yield
    # find what the last test left open before its report
    gc.collect()


@pytest.fixture(autouse=True)
def log_of_test() -> Iterator[None]:
    """Fail a test that leaves the log configured; the next would log to a closed file."""
    before = structlog.get_config()["logger_factory"]
    yield
    if structlog.get_config()["logger_factory"] is not before:
        structlog.reset_defaults()
        pytest.fail("this test leaves the log configured: put it back as it was", pytrace=False)


@pytest.fixture(autouse=True)
def day_of_test(request: pytest.FixtureRequest) -> Iterator[datetime | None]:
    """The instant at which the test begins; None if it never reads the clock."""
    started: datetime | None = getattr(request, "param", None)
    if started is not None:
        with clock.driven_by(clock.running_from(started)):
            yield started
        return
    asked = False
    shown = clock.running_from(DAYS["a Saturday"])

    def noticed() -> datetime:
        nonlocal asked
        asked = True
        return shown()

    with clock.driven_by(noticed):
        yield None
    if asked:
        pytest.fail(UNMARKED, pytrace=False)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse of the shipped data and the test's own deliveries."""
    data = empty_store(tmp_path / "data")
    (data / "sample").symlink_to(PROJECT / "data" / "sample")
    return Warehouse(data, tmp_path / "target")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The shipped data, built once: by `./bourse test` before the tests, or here."""
    built = Warehouse(PROJECT / "target" / "test-data", PROJECT / "target" / "test")
    if os.environ.get("BOURSE_DATA_DIR") == "target/test-data" and state.is_recorded(built.file):
        return built

    def make(folder: Path) -> None:
        data = empty_store(folder / "data")
        (data / "sample").symlink_to(PROJECT / "data" / "sample")
        # with the artifacts, which tests read
        Warehouse(data, folder / "target").dbt("--write-json", "build", *WITHOUT_TESTS)

    folder = made_once(tmp_path_factory, "sample", make)
    return Warehouse(folder / "data", folder / "target")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the screenshots that the tests of the pages have left."""
    reports = [each for found in terminalreporter.stats.values() for each in found]
    if not any("/browser/" in getattr(each, "nodeid", "") for each in reports):
        return
    for folder in sorted((PROJECT / "target" / "screenshots").glob("*")):
        names = ", ".join(sorted(path.name for path in folder.glob("*.png")))
        terminalreporter.write_line(f"screenshots in {folder}: {names}")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver of webhooks on loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiving() as found:
        yield found


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A raw store in a temporary folder, and vendor files for it."""
    return Shop(tmp_path)
