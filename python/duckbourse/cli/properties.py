"""`./bourse properties`: generate the properties files of the indicator families."""

from __future__ import annotations

from duckbourse import properties as family_properties
from duckbourse.build import install_packages
from duckbourse.cli.output import results, waiting
from duckbourse.settings import PROJECT


def properties() -> None:
    """
    Generate the properties files of the indicator families after an indicator or family changes.

    Indicators are defined in macros/indicators. This command generates the models' .yml files from
    them: contract columns, formulas, sources, warm-up and memory. Unit tests are kept.

    Example:

    - `./bourse properties`
    """
    with waiting("compiling every formula with dbt, which may take half a minute …"):
        install_packages()
        written = family_properties.write()
    for file in written:
        results.print(f"written: {file.relative_to(PROJECT)}", markup=False)
    if not written:
        results.print("all properties files are up to date")
