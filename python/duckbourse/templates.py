"""The answers of the project's macros: templates that dbt renders without a warehouse."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from duckbourse.errors import BuildFailed
from duckbourse.settings import PROJECT


def rendered(template: str, remedy: str = "correct the file that it names") -> str:
    """Return what dbt makes of a template that refers to no model; keep the last manifest."""
    words = ["--quiet", "--no-use-colors", "--no-write-json", "compile", "--target", "lint"]
    done = subprocess.run(
        # once, and not when dbt parses it as well
        [_dbt(), *words, "--inline", "{% if execute %}" + template + "{% endif %}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(_problem(done.stdout or done.stderr), remedy)
    return done.stdout


@cache
def macro_sql(file: str, name: str, *arguments: str) -> str:
    """Return what a macro renders that calls none but those of its own file, without dbt."""
    # only here: few commands need it
    from jinja2 import Environment

    template = Environment(extensions=["jinja2.ext.do"]).from_string((PROJECT / file).read_text())
    return str(getattr(template.module, name)(*arguments))


def _dbt() -> str:
    return str(Path(sys.executable).parent / "dbt")


def _problem(printed: str) -> str:
    # what a macro raises is between dbt's heading and the macros that called it
    found = re.search(r"Compilation Error.*\n([^>]+)", printed)
    return " ".join((found[1] if found else printed).split())
