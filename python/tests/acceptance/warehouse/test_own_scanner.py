"""A scanner of one's own is a model, its presets and an entry in the list, here or in a package."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from duckbourse.settings import PROJECT
from tests.support.own_project import own_project
from tests.support.warehouse import Warehouse

ANALYSIS = PROJECT / "analyses" / "above_vwap.sql"
SCANNERS = "macros/scanners/scanners.sql"
TYPES = {"session_date": "date", "cutoff_time": "time", "signal_rank": "bigint"} | dict.fromkeys(
    ("last_price", "vwap_to_cutoff", "above_vwap_pct", "relative_volume", "score", "points"),
    "double",
)
TIMES = {"cutoff_time": "time", "exit_time": "time"}
KEY = {"column_list": ["session_date", "cutoff_time", "preset", "symbol"]}


def as_files(scanner: str) -> tuple[str, str]:
    """Take the shipped example apart, as it says: into a model and its presets."""
    text = ANALYSIS.read_text().replace("above_vwap_", f"{scanner}_")
    found = re.search(r"presets as \(\n    select\n(.*?)\n\),", text, re.DOTALL)
    assert found
    pairs = re.findall(r"(\S+) as (\w+)", found[1])
    presets = ",".join(name for _, name in pairs) + "\n"
    presets += ",".join(value.strip("'") for value, _ in pairs) + "\n"
    reads = f"select * from {{{{ ref('{scanner}_presets') }}}}"
    return text.replace(found[0], f"presets as (\n    {reads}\n),"), presets


def properties(model: str, scanner: str) -> str:
    """Describe the model, with a type and a description of each column, and its presets."""
    selected = model.rsplit("final as (", 1)[1].split("from checked")[0]
    names = [line.strip(" ,").split()[-1] for line in selected.strip().splitlines()[1:]]
    columns = [
        {
            "name": name,
            "data_type": TYPES.get(name.replace(scanner, "above_vwap"), "varchar"),
            "description": "As in the example.",
        }
        for name in names
    ]
    test = {"dbt_expectations.expect_compound_columns_to_be_unique": {"arguments": KEY}}
    found = {
        "name": f"scanners__{scanner}",
        "description": "One row per session, cutoff, preset and symbol.",
        "data_tests": [test],
        "columns": columns,
    }
    presets = {
        "name": f"{scanner}_presets",
        "description": "One row per preset.",
        "config": {"column_types": TIMES},
    }
    return yaml.safe_dump({"models": [found], "seeds": [presets]})


def add_scanner(project: Path, model: str, presets: str | None) -> None:
    """Add the example to the project: its files and its entry in the list."""
    scans = project / "models/scanners/scans"
    (scans / "scanners__above_vwap.sql").write_text(model)
    (scans / "scanners__above_vwap.yml").write_text(properties(model, "above_vwap"))
    if presets:
        (project / "seeds/scanners/above_vwap_presets.csv").write_text(presets)
    list_scanner(project, "above_vwap")


def scan_on_read(project: Path) -> None:
    """Make a macro of the model's SQL, which the model and a table function call."""
    model = project / "models/scanners/scans/scanners__above_vwap.sql"
    sql = model.read_text()
    inputs = {"above_vwap_presets": "presets"} | {
        f"scanners__{name}": name for name in ("session_to_cutoff", "expected_volumes")
    }
    refs = ", ".join(f"{name}=ref('{ref}')" for ref, name in inputs.items())
    for ref, name in inputs.items():
        sql = sql.replace(f"{{{{ ref('{ref}') }}}}", f"{{{{ {name} }}}}")
    name = "above_vwap_scan_query"
    macro = f"{{% macro {name}({', '.join(inputs.values())}) %}}\n{sql}{{% endmacro %}}\n"
    (project / f"macros/scans/{name}.sql").write_text(macro)
    model.write_text(f"{{{{ {name}({refs}) }}}}\n")
    function = (project / "functions/crp_scan.sql").read_text()
    function = function.replace("crp", "above_vwap")
    function = re.sub(r"\n +score_tiers=.*", "", function)
    (project / "functions/above_vwap_scan.sql").write_text(function)
    properties = yaml.safe_load((project / "functions/functions.yml").read_text())
    (crp,) = (found for found in properties["functions"] if found["name"] == "crp_scan")
    added = yaml.safe_dump({"functions": [crp | {"name": "above_vwap_scan"}]})
    (project / "functions/above_vwap_scan.yml").write_text(added)


def list_scanner(project: Path, scanner: str) -> None:
    """Add the entry that the example states, for a scanner of its kind."""
    found = re.search(r"'above_vwap': \{.*\},", ANALYSIS.read_text())
    assert found
    entry = found[0].replace("above_vwap", scanner)
    scanners = project / SCANNERS
    text = scanners.read_text()
    assert text.count("return({\n") == 1
    scanners.write_text(text.replace("return({\n", f"return({{\n{entry}\n"))


def edit_what_scanners_share(project: Path) -> None:
    """Edit a join and the tiers without changing any signal."""
    join = project / "macros/scanners/with_histories.sql"
    join.write_text(join.read_text().replace("left join", "-- of daily bars\nleft join"))
    with (project / "seeds/scanners/score_tiers.csv").open("a") as file:
        file.write("crp,momentum,99,1\n")


def versions(warehouse: Warehouse) -> dict[object, object]:
    rows = warehouse.query(
        "select scanner, string_agg(distinct scanner_version, ' ' order by scanner_version) "
        "from scanners.signals group by scanner"
    )
    return {scanner: version for scanner, version in rows}


@pytest.fixture
def added(copied: Warehouse, tmp_path: Path) -> Warehouse:
    """The shipped data, with the example as a scanner of the project and of a package."""
    project = own_project(tmp_path)
    add_scanner(project, *as_files("above_vwap"))
    scan_on_read(project)
    list_scanner(project, "plugged")

    package = tmp_path / "plugin"
    model, presets = as_files("plugged")
    for name, text in (
        (
            "models/scans/scanners__plugged.sql",
            model.replace("ref('scanners__", "ref('duckbourse', 'scanners__"),
        ),
        ("seeds/plugged_presets.csv", presets),
        (
            "dbt_project.yml",
            "{name: plugin, version: '1.0.0', models: {plugin: {+schema: scanners, "
            "+materialized: table}}, seeds: {plugin: {+schema: seeds, "
            "+column_types: {cutoff_time: time, exit_time: time}}}}",
        ),
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    with (project / "packages.yml").open("a") as file:
        file.write(f"  - local: {package}\n")

    edit_what_scanners_share(project)
    warehouse = replace(copied, project=project)
    warehouse.dbt("deps")
    chosen = (
        "scanners__cutoffs+1",
        "+path:models/scanners/scans",
        "package:plugin",
        "above_vwap_scan",
    )
    steps = ("signals", "entries", "minutes", "excursions", "exits", "outcomes")
    traded = [f"backtests__{step}" for step in steps]
    invariants = ("path:tests/project", "path:tests/scanners")
    # the copied view of fills looks for them where the sample was built from
    left_out = ("--exclude", "assert_every_fill_has_a_session")
    warehouse.build("-s", *chosen, "scanners__signals", *traded, *invariants, *left_out, tests=True)
    return warehouse


def test_the_example_is_a_scanner_here_and_in_a_package_until_it_is_taken_out(
    added: Warehouse, sample: Warehouse
) -> None:
    # versions change with what was edited, in a macro or a seed, and not with another scanner
    before, after = versions(sample), versions(added)
    with_histories = {"breakout", "new_high", "relative_volume"}
    assert {scanner for scanner in before if before[scanner] != after[scanner]} == {
        *("crp", *with_histories)
    }

    signals = added.query(
        "select scanner, count(*), min(known_ts::time)::varchar, "
        "bool_and(target_price > entry_price and stop_price < entry_price), "
        "min(list_sort(json_keys(evidence)))::varchar, count(distinct scanner_version) "
        "from scanners.signals where scanner in ('above_vwap', 'plugged') group by all order by all"
    )
    for row, scanner in zip(signals, ("above_vwap", "plugged"), strict=True):
        evidence = sorted([f"{scanner}_pct", "relative_volume", "vwap_to_cutoff"])
        assert (row[0], *row[2:]) == (scanner, "10:00:00", True, f"[{', '.join(evidence)}]", 1)
    assert signals[0][1] == signals[1][1]
    assert signals[0][1] != 0
    assert added.query(
        "select scanner, count(net_return) from backtests.outcomes "
        "inner join scanners.signals using (signal_id) "
        "where scanner in ('above_vwap', 'plugged') group by all order by all"
    ) == [row[:2] for row in signals]

    # and the one whose SQL is a macro answers for any cutoff, as it does for its own
    ((day,),) = added.query("select max(session_date) from scanners.above_vwap")
    stored = f"from scanners.above_vwap where session_date = '{day}' order by all"
    at = f"from above_vwap_scan('{day}', '{{}}', 'standard') order by all"
    assert added.query(at.format("10:00")) == added.query(stored)
    assert added.query(at.format("11:30")) != added.query(stored)

    there = (
        "select (select count(*) from scanners.signals where scanner = 'above_vwap') > 0, "
        "(select count(*) from duckdb_tables() where table_name = 'above_vwap'), "
        "(select count(*) from duckdb_functions() where function_name = 'above_vwap_scan')"
    )
    assert added.query(there) == [(True, 1, 1)]
    for file in added.project.rglob("*above_vwap*.*"):
        if file.parent.name in ("scans", "functions"):
            file.unlink()
    shutil.copy(PROJECT / SCANNERS, added.project / SCANNERS)
    added.build("-s", "scanners__signals")
    assert added.query(there) == [(False, 0, 0)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("no presets", "a node named 'above_vwap_presets' which was not found"),
        ("no score", "scanners__above_vwap.sql has no column score"),
    ],
)
def test_what_is_missing_is_said(copied: Warehouse, tmp_path: Path, wrong: str, said: str) -> None:
    project = own_project(tmp_path)
    model, presets = as_files("above_vwap")
    if wrong == "no score":
        model = model.replace(" as score", " as points").replace("'score'", "'points'")
    add_scanner(project, model, None if wrong == "no presets" else presets)
    chosen = ("-s", "above_vwap_presets", "scanners__above_vwap", "scanners__signals")
    printed = replace(copied, project=project).dbt("build", *chosen, check=False)
    assert said in printed
