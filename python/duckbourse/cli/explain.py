"""`./bourse explain`: show the plan and the SQL of an indicator."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any

import typer

from duckbourse.build import install_packages
from duckbourse.cli.listing import completed
from duckbourse.cli.output import waiting
from duckbourse.errors import BadQuery, BuildFailed
from duckbourse.names import did_you_mean
from duckbourse.properties import formulas, warm_up
from duckbourse.settings import PROJECT
from duckbourse.templates import rendered

# a name and numbers, without blanks
CALL = r"([a-z][a-z0-9_]*)(?:\(((?:[0-9.]+(?:,[0-9.]+)*)?)\))?"
DEFINITION = re.compile(r"macro indicator_(?!definitions\b)(\w+)\(")


def explain(
    call: Annotated[
        str,
        typer.Argument(
            help="An indicator and its periods.",
            show_default=False,
            autocompletion=completed("indicators"),
        ),
    ],
) -> None:
    """
    Show how an indicator is computed: its formulas, its plan and its SQL.

    The plan has the columns with the step that computes each, the first bar at which it is
    known and the number of earlier bars that it depends on; `mean__2` is the second of one name.
    All but the SQL is in comments, so that the output can be run.

    Examples:

    - `./bourse explain "macd(12, 26, 9)"`
    - `./bourse explain rsi    # with its default periods`
    - `./bourse sql -- "$(./bourse explain 'sma(20)')"`
    """
    call = plain_call(call)
    _check_name(call)
    with waiting("compiling with dbt, which may take half a minute …"):
        install_packages()
        found = json.loads(_asked(call))
    sys.stdout.write("".join(f"{line}\n" for line in explanation(call, found)))


def plain_call(text: str) -> str:
    """Return a call in small letters with one blank after each comma; refuse what is no call."""
    call = re.fullmatch(CALL, re.sub(r"\s*([(),]|^|$)\s*", r"\1", text).lower())
    if not call:
        raise BadQuery(
            f"{text!r} is not an indicator with its periods in parentheses",
            '`./bourse explain "macd(12, 26, 9)"` is an example',
        )
    name, periods = call.groups()
    return f"{name}({', '.join(periods.split(','))})" if periods else name


def _check_name(call: str) -> None:
    # before dbt, which takes long to say the same
    name = call.split("(")[0]
    files = (PROJECT / "macros").rglob("*.sql")
    known = sorted({found for file in files for found in DEFINITION.findall(file.read_text())})
    if name not in known:
        raise BadQuery(
            f"{call}: there is no indicator {name!r}{did_you_mean(name, known)}",
            "`./bourse list indicators` lists all indicators",
        )


def _asked(call: str) -> str:
    name = call.split("(")[0]
    try:
        return rendered(f"{{{{ explained('{call}') }}}}")
    except BuildFailed as error:
        problem = str(error)
        if not problem.startswith(f"{call}: "):
            raise  # it is in a definition
        if "is not listed" in problem:
            remedy = "add that line and run this again"
        else:
            remedy = f"`./bourse explain {name}` shows its periods and their defaults"
        raise BadQuery(problem, remedy) from error


def explanation(call: str, found: dict[str, Any]) -> list[str]:
    """Return the lines that `explain` prints of what dbt answers for a call."""
    plan = [f"-- {line}".rstrip() for line in _plan(call, found)]
    return [*plan, "", *re.sub(r"\n\s*\n", "\n\n", found["sql"]).strip().splitlines()]


def _plan(call: str, found: dict[str, Any]) -> list[str]:
    definition = found["definition"]
    name = call.split("(")[0]
    lines = [f"{definition['title']}, {definition['source']}: macros/indicators/{name}.sql", ""]
    if numbers := definition["periods"] | definition["settings"]:
        defaults = ", ".join(f"{key} = {value}" for key, value in numbers.items())
        periods = ", ".join(map(str, definition["periods"].values()))
        lines += [f"by default {name}{f'({periods})' if periods else ''}: {defaults}", ""]
    if defined := formulas(definition):
        lines += ["formulas", *(f"    {' '.join(formula.split())}" for formula in defined), ""]
    lines += ["outputs"]
    for output in found["outputs"]:
        lines += [f"    {output['name']} = {output['formula']}", f"        {warm_up(output)}"]
    lines += ["", "plan"]
    for column in sorted(found["columns"], key=lambda column: column["step"]):
        reads = f"  reads {', '.join(column['reads'])}" if column["reads"] else ""
        lines.append(
            f"    step {column['step']:>4}  from bar {column['start']:>4}  "
            f"memory {column['memory']:>5}  {column['name']}{reads}"
        )
    return lines
