"""Run commands in this process, so that a test can set their clock."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from duckbourse.cli.main import main
from duckbourse.settings import settings


@dataclass(frozen=True)
class Ended:
    """The output of a command, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def bourse(data: Path, *words: str, stdin: str = "", **environment: str) -> Ended:
    """Run `./bourse` with these arguments on a data folder, without other BOURSE_ variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BOURSE_")}
    set_here = {**kept, "BOURSE_DATA_DIR": str(data), "COLUMNS": "200", **environment}
    out, err = io.StringIO(), io.StringIO()
    code = 0
    handler = signal.getsignal(signal.SIGTERM)
    settings.cache_clear()
    try:
        with (
            mock.patch.dict(os.environ, set_here, clear=True),
            mock.patch.object(sys, "argv", ["bourse", *words]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        signal.signal(signal.SIGTERM, handler)
        settings.cache_clear()
    return Ended(code, out.getvalue(), err.getvalue())


def completions(data: Path, *words: str) -> list[str]:
    """Return what bash is offered after these words."""
    shell = {
        "_BOURSE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("./bourse", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = bourse(data, **shell)
    assert done.stderr == ""
    return done.stdout.split()
