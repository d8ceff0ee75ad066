"""
The `.yml` pages of the indicator families, written from the indicators' own pages.

What an indicator is stands once, in `macros/indicators/<name>.sql`. dbt wants it again as a
contract and a description of each column, of the family and of `serving.latest_indicators`: those
files are made here. Unit tests in them are kept.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from duckbourse.errors import BuildFailed
from duckbourse.settings import PROJECT

INDICATORS = PROJECT / "models" / "indicators"
LATEST = PROJECT / "models" / "serving" / "serving__latest_indicators.yml"
WRITTEN = "# Written by `./bourse pages` from macros/indicators, but for the unit tests."
# what dbt is asked: the pages of the families, in their order, each with its indicators
PAGES = """
{%%- set calls = %s -%%}
{%%- set chosen = {} -%%}
{%%- for family in families() -%%}
    {%%- do chosen.update({family: calls[family]}) -%%}
{%%- endfor -%%}
{{ family_pages(chosen) }}
"""
KEY = {"symbol": "varchar", "timeframe": "varchar", "bar_ts": "timestamp"}

Page = Mapping[str, Any]


def _compiled(template: str) -> str:
    dbt = Path(sys.executable).parent / "dbt"
    # the manifest of the last build is not overwritten
    command = [
        str(dbt),
        "--quiet",
        "--no-write-json",
        "compile",
        "--target",
        "lint",
        "--inline",
        template,
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()
        raise BuildFailed(
            "dbt cannot read the indicators: " + " ".join(problem), "mend macros/indicators"
        )
    return done.stdout


def pages(compiled: Callable[[str], str] = _compiled) -> dict[Path, str]:
    """Return what each of the files should be; `compiled` asks dbt what a template becomes."""
    calls = {
        file.stem.removeprefix("indicators__"): _calls(file)
        for file in INDICATORS.glob("indicators__*.sql")
    }
    families = json.loads(compiled(PAGES % json.dumps(calls)))
    written = {}
    for family, page in families.items():
        file = INDICATORS / f"indicators__{family}.yml"
        written[file] = "\n".join(_family_page(family, page)) + "\n" + _unit_tests(file)
    written[LATEST] = "\n".join(_latest_page(families)) + "\n" + _unit_tests(LATEST)
    return written


def write() -> list[Path]:
    """Write the files that are not yet what they should be, and return them."""
    changed = []
    for file, text in pages().items():
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            changed.append(file)
    return changed


def _calls(model: Path) -> list[str]:
    return re.findall(r"'([^']+)'", model.read_text())


def _unit_tests(file: Path) -> str:
    if not file.exists():
        return ""
    _, found, tests = file.read_text().partition("\nunit_tests:")
    return found + tests


def _family_page(family: str, page: Page) -> Iterable[str]:
    titles = [indicator["title"] for indicator in page["indicators"].values()]
    yield WRITTEN
    yield "models:"
    yield f"  - name: indicators__{family}"
    yield "    description: |"
    intro = (
        f"{'; '.join(titles)}. One row per bar, of the timeframes that "
        "seeds/indicators/stored_indicators.csv has for this family; of adjusted prices and "
        "volumes. A null is a value that is not known yet, or cannot be: never zero."
    )
    yield from _block(intro, 6)
    for call, indicator in page["indicators"].items():
        yield ""
        yield from _block(_about(call, indicator), 6)
        formulas = _formulas(indicator)
        if formulas:
            yield ""
            for formula in formulas:
                yield from _block(formula, 10, hanging=4)
    yield "    data_tests:"
    yield "      - one_row_per_bar"
    yield "    columns:"
    for name, data_type in KEY.items():
        yield from _column(name, data_type, f"\"{{{{ doc('{name}') }}}}\"")
    for name, column in page["columns"].items():
        yield f"      - name: {name}"
        yield f"        data_type: {column['type']}"
        yield "        description: |"
        yield from _block(f"{name} = {column['formula']}", 10, hanging=4)
        yield from _block(_known(column), 10)
        if column["within"]:
            low, high = column["within"]
            room = 0 if column["type"] == "smallint" else 1e-6
            yield "        data_tests:"
            yield "          - dbt_expectations.expect_column_values_to_be_between:"
            yield f"              arguments: {{min_value: {low - room}, max_value: {high + room}}}"


def _about(call: str, indicator: Page) -> str:
    periods, settings = indicator["periods"], indicator["settings"]
    names = f" ({', '.join(periods)})" if periods else ""
    parts = [f"`{call}`{names}: {indicator['title']}.", f"Source: {indicator['source']}."]
    if settings:
        parts.append(f"With {', '.join(f'{name} = {value}' for name, value in settings.items())}.")
    functions = [name for name in dict.fromkeys(indicator["talib"].values()) if name]
    if functions:
        parts.append(f"TA-Lib: {', '.join(functions)}.")
    if indicator["notes"]:
        parts.append(indicator["notes"])
    return " ".join(parts)


def _formulas(indicator: Page) -> list[str]:
    formulas = [
        f"{name} = {formula}"
        for name, formula in indicator["define"].items()
        # of a candle's earlier bars the names say it all
        if not re.fullmatch(r"(\w+)_(\d) lag\(\1, \2\)", f"{name} {formula}")
    ]
    formulas += [f"{name} at first = {seed}" for name, seed in indicator["seed"].items()]
    return formulas + [f"{name} = {formula}" for name, formula in indicator["step"].items()]


def _known(column: Page) -> str:
    first, memory = column["warm_up"], column["memory"]
    null = "Known from the first bar."
    if first:
        null = f"Null for the first {_bars(first)} of a series."
    if memory is None:
        return f"{null} Remembers all bars since the first."
    if not memory:
        return f"{null} Looks at no bar but its own, or at its session."
    return f"{null} Remembers {_bars(memory)} before its own."


def _bars(count: int) -> str:
    return f"{count:,} bar{'' if count == 1 else 's'}"


def _latest_page(families: Mapping[str, Page]) -> Iterable[str]:
    yield WRITTEN
    yield "models:"
    yield "  - name: serving__latest_indicators"
    yield "    description: >"
    yield from _block(
        "The stored indicators of the last bar of every series. One row per symbol and timeframe. "
        "Null as in the family, and where the family is not stored for the timeframe.",
        6,
    )
    yield "    data_tests:"
    yield "      - dbt_expectations.expect_compound_columns_to_be_unique:"
    yield "          arguments:"
    yield "            column_list: [symbol, timeframe]"
    yield "    columns:"
    for name, data_type in {**KEY, "bar_end": "timestamp", "close": "double"}.items():
        yield from _column(name, data_type, f"\"{{{{ doc('{name}') }}}}\"")
    for family, page in families.items():
        for name, column in page["columns"].items():
            yield from _column(name, column["type"], f"As in indicators.{family}.")


def _column(name: str, data_type: str, description: str) -> Iterable[str]:
    yield f"      - name: {name}"
    yield f"        data_type: {data_type}"
    yield f"        description: {description}"


def _block(text: str, indent: int, hanging: int = 0) -> Iterable[str]:
    margin = " " * indent
    yield from textwrap.wrap(
        " ".join(text.split()),
        width=100,
        initial_indent=margin,
        subsequent_indent=margin + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
