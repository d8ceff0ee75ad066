"""`./bourse pages`: write what dbt wants to know of the indicators."""

from __future__ import annotations

from duckbourse import pages as family_pages
from duckbourse.cli.output import notes, results
from duckbourse.settings import PROJECT


def pages() -> None:
    """
    Write the pages of the indicator families, after an indicator or a family was changed.

    What an indicator is stands in macros/indicators. This writes the models' .yml files from it:
    the columns of the contract, formulas, sources, warm-up and memory. Unit tests are kept.

    Example:

    - `./bourse pages`
    """
    with notes.status("asking dbt for every formula …"):
        written = family_pages.write()
    for file in written:
        results.print(f"written: {file.relative_to(PROJECT)}", markup=False)
    if not written:
        results.print("every page is as it should be")
