"""`./bourse explain`: show the plan and the SQL of an indicator."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any

import typer

from duckbourse.build import install_packages
from duckbourse.cli.output import notes
from duckbourse.errors import BadQuery
from duckbourse.properties import formulas, warm_up
from duckbourse.templates import rendered


def explain(
    call: Annotated[str, typer.Argument(help="An indicator and its periods.", show_default=False)],
) -> None:
    """
    Show how an indicator is computed: its formulas, its plan and its SQL.

    The plan has the columns with the step that computes each, the first bar at which it is
    known and the number of earlier bars that it depends on. All but the SQL is in comments, so
    that the output can be run.

    Examples:

    - `./bourse explain "macd(12, 26, 9)"`
    - `./bourse explain rsi`
    - `./bourse sql "$(./bourse explain 'sma(20)')"`
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*(\([0-9., ]*\))?", call.strip()):
        raise BadQuery(
            f"{call!r} is not an indicator with its periods",
            '`./bourse explain "macd(12, 26, 9)"` is an example',
        )
    call = call.strip()
    template = f"{{{{ explained('{call}') }}}}"
    remedy = '`./bourse sql "select distinct indicator from serving.indicator_catalogue"` lists all'
    with notes.status("compiling with dbt …"):
        install_packages()
        found = json.loads(rendered(template, remedy))
    sys.stdout.write("".join(f"{line}\n" for line in explanation(call, found)))


def explanation(call: str, found: dict[str, Any]) -> list[str]:
    """Return the lines that `explain` prints of what dbt answers for a call."""
    plan = [f"-- {line}".rstrip() for line in _plan(call, found)]
    return [*plan, "", *re.sub(r"\n\s*\n", "\n\n", found["sql"]).strip().splitlines()]


def _plan(call: str, found: dict[str, Any]) -> list[str]:
    definition = found["definition"]
    name = call.split("(")[0]
    lines = [f"{definition['title']}, {definition['source']}: macros/indicators/{name}.sql", ""]
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
