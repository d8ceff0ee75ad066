"""
Dispatch the command line to a command, and turn exceptions into one line.

A command's module is imported only when it is used, so that all commands start quickly.
"""

from __future__ import annotations

import importlib
import os
import re
import select
import signal
import sys
import traceback
from importlib.metadata import version
from itertools import pairwise
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from duckbourse.cli.output import say_error
from duckbourse.disk import is_text, shown
from duckbourse.errors import BourseError, ConfigurationError
from duckbourse.settings import PROJECT

# Command -> module of this package, which has a function, or an app with subcommands, of the
# command's name, with an underscore for a dash.
COMMANDS = {
    "build": "build",
    "publish": "publish",
    "publications": "publications",
    "rollback": "publications",
    "diff": "diff",
    "status": "status",
    "freshness": "freshness",
    "notify": "notify",
    "doctor": "doctor",
    "tables": "catalog",
    "list": "listing",
    "ingest": "ingest",
    "deliveries": "deliveries",
    "backup": "backup",
    "restore": "backup",
    "sample-minutes": "sample_minutes",
    "sql": "sql",
    "serve": "serve",
    "scan": "scan",
    "backtest": "backtest",
    "risk": "risk",
    "report": "report",
    "login": "login",
    "venue": "venue",
    "trade": "trade",
    "order": "order",
    "orders": "session",
    "positions": "session",
    "pnl": "session",
    "halt": "requests",
    "resume": "requests",
    "square-off": "requests",
    "reconcile": "session",
    "journal": "session",
    "account": "account",
    "explain": "explain",
    "properties": "properties",
    "test": "test",
}
UNEXPECTED, STOPPED = 70, 130
UNREAD = 128 + signal.SIGPIPE
EXIT_CODES = {
    0: "done",
    1: "a build, a test or a check failed, a question was answered with no, or publications differ",
    2: "an option, a name or a setting is wrong",
    3: "the content of a file or a query is wrong (of several files, the others are delivered)",
    4: "another process is at work: try again later",
    5: "nothing is published or kept, or a build may not be published",
    6: "the disk is full",
    7: "trading stopped, or a session ended halted, or reducing without a square-off by hand, or it"
    " must not go on",
    8: "data is late: a session that is due was not delivered, or not published",
    9: "a session ended with an intraday position open",
    10: "a strategy failed; the session was traded to its end without it",
    UNEXPECTED: "an error of duckbourse itself, whose traceback is in logs/bourse.log",
    STOPPED: "stopped by Ctrl-C or a signal",
    UNREAD: "the output has no reader any more: the pipe was closed, such as by head",
}
NOT_A_DATE = re.compile(r"does not match the formats '%Y-%m-%d'\.?")
# what shells ask, with their words in COMP_WORDS or the like; see `--show-completion`
COMPLETE = "_BOURSE_COMPLETE"


class Commands(TyperGroup):
    """The commands, each loaded from its module; `help` is asked as a command, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # of this, typer reads only the names, to suggest the nearest ones
        self.commands: Any = COMMANDS
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"duckbourse.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name.replace("-", "_"))
        if isinstance(found, typer.Typer):
            app = found
        else:
            app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
            app.command(cmd_name)(found)
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
    epilog="Exit codes: " + "; ".join(f"**{code}** {why}" for code, why in EXIT_CODES.items()),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import tomllib

        project = tomllib.loads((PROJECT / "python" / "pyproject.toml").read_text())["project"]
        stack = ", ".join(
            f"{name} {version(name)}" for name in ("dbt-core", "dbt-duckdb", "duckdb")
        )
        print(f"duckbourse {project['version']} ({stack}, python {sys.version.split()[0]})")
        raise typer.Exit


@app.callback()
def bourse(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """
    A market-data warehouse in one DuckDB file: from bars to indicators, signals, returns and risk.

    `./bourse build` builds and publishes it, `./bourse test` tests it.
    `./bourse COMMAND --help` shows examples.
    """


def main() -> None:
    """Run the command and exit with its code; end without a word if nobody reads its output."""
    stdout = os.fstat(1)
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        code = UNREAD
    except SystemExit as end:
        # typer and rich turn a broken pipe into this, and rich first redirects stdout to nowhere
        is_unread = not os.path.samestat(stdout, os.fstat(1)) or _is_unread()
        if not (isinstance(end.__context__, BrokenPipeError) and is_unread):
            raise
        code = UNREAD
    if code == UNREAD:
        # what is left in the buffers goes nowhere
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
    sys.exit(code)


def _is_unread() -> bool:
    """Return whether nobody reads our output any more, or our messages."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _run() -> int:
    signal.signal(signal.SIGTERM, _stop)
    # a shell completes ./bourse as bourse, too, and no name in it may have a slash
    is_completion = COMPLETE in os.environ or any(word.endswith("-completion") for word in sys.argv)
    try:
        _check_words()
        code: int | None = app(
            prog_name="bourse" if is_completion else "./bourse",
            complete_var=COMPLETE,
            standalone_mode=False,
        )
    except BourseError as error:
        say_error(str(error), error.remedy)
        return error.exit_code
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "./bourse")
        if message := error.format_message():  # else the help is printed already
            message = NOT_A_DATE.sub("is not a date such as 2010-05-28", message)
            say_error(
                message.replace("Value error, ", ""),
                f"`{command} --help` shows its options and examples",
            )
        return error.exit_code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _is_unread():
            raise
        path = _record(error)
        say_error(
            f"internal error: {type(error).__name__}: {error}".splitlines()[0],
            f"the traceback is at the end of {path}",
        )
        return UNEXPECTED
    if code == STOPPED:
        say_error("stopped", "run it again")
    return code or 0


def _check_words() -> None:
    """Raise ConfigurationError for words that no command can mean: empty, or not UTF-8."""
    for before, word in pairwise(sys.argv):
        option, is_given, value = word.partition("=")
        if word.strip() and not (option.startswith("--") and is_given and not value.strip()):
            if not is_text(word):
                raise ConfigurationError(f"{shown(word)} is not UTF-8", "write it in UTF-8")
            continue
        what = option.strip() or f"the word after {before}"
        raise ConfigurationError(
            f"{what} is empty", "give it a value, or omit it; is it a variable that is not set?"
        )


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _record(error: Exception) -> str:
    import structlog

    path = PROJECT / "logs" / "bourse.log"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            structlog.wrap_logger(
                structlog.PrintLogger(file),
                processors=[
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            ).error("unexpected", command=sys.argv[1:], exc_info=error)
    except OSError:
        traceback.print_exception(error)  # the log cannot be written
        return "this output"
    return str(path)
