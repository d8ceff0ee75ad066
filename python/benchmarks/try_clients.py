"""
Opens a publication with the clients and tools that people use.

    .venv/bin/python python/benchmarks/try_clients.py [--file data/duckbourse.duckdb] [NAME …]

Each client is installed into a folder of its own in `target/clients`, from PyPI or npm; nothing of
the project's environment changes. A DuckDB client counts the rows of every table and view and asks
every table macro once; the others do what their names say. What fails is listed, and so is every
answer with another number of rows than the project's own DuckDB has; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "target" / "clients"
DUCKDB = {
    f"duckdb {version}": [f"duckdb=={version}"]
    for version in ("1.0.0", "1.1.3", "1.2.2", "1.3.2", "1.4.4", "1.5.4")
}
PYTHON = {
    "sqlalchemy": ["duckdb-engine==0.17.0", "duckdb==1.4.4", "pandas", "setuptools<81"],
    "harlequin": ["harlequin"],
}
NODE = {"node": ["@duckdb/node-api"]}
# values of the parameters that have no default
ARGUMENTS = {
    "p_name": "'rsi'",
    "p_symbol": "'AAPL'",
    "p_timeframe": "'1d'",
    "p_symbols": "['AAPL', 'MSFT']",
    "p_window_sessions": "250",
    "p_portfolio": "'equal_20'",
    "p_confidence": "0.99",
    "p_horizon_sessions": "1",
    "p_session_date": "'2010-05-06'",
    "p_cutoff_time": "'11:30'",
    "p_preset": "(select min(preset) from seeds.{scanner}_presets)",
}
Answers = dict[str, str]


def questions(functions: list[tuple[str, str, list[str]]]) -> dict[str, str]:
    """Return a question to each table macro, by its name."""
    asked = {}
    for schema, name, parameters in functions:
        given = [ARGUMENTS[parameter] for parameter in parameters if parameter in ARGUMENTS]
        arguments = ", ".join(given).format(scanner=name.removesuffix("_scan"))
        asked[f"{schema}.{name}(…)"] = f"{schema}.{name}({arguments})"
    return asked


def question(relation: str) -> str:
    """Return the query of a relation's row count; of a macro also a hash of its rows."""
    if not relation.endswith(")"):
        return f"select count(*) from (select * from {relation})"
    return f"""
        select count(*) || ' rows, ' || md5(coalesce(string_agg(line, '|' order by line), ''))
        from (select rows::varchar as line from (select * from {relation}) as rows)
    """


RELATIONS = """
    select schema_name || '.' || table_name from duckdb_tables()
    where not internal and database_name = current_database()
    union all
    select schema_name || '.' || view_name from duckdb_views()
    where not internal and database_name = current_database()
    order by all
"""
MACROS = """
    select schema_name, function_name, parameters from duckdb_functions()
    where not internal and function_type = 'table_macro' order by all
"""


def ask(rows: Callable[[str], list[Any]]) -> Answers:
    """
    Count the rows of every relation, and read every macro's answer, or keep the error.

    An answer is its number of rows and a hash of their texts, because a macro that a client reads
    otherwise than it was written may answer with other numbers.
    """
    asked = {name: name for (name,) in rows(RELATIONS)} | questions(rows(MACROS))
    answers: Answers = {}
    for name, relation in asked.items():
        try:
            [(answer,)] = rows(question(relation))
            answers[name] = str(answer)
        except Exception as error:
            answers[name] = f"error: {str(error).splitlines()[0]}"
    return answers


def probe_duckdb(file: Path) -> Answers:
    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        return ask(lambda query: connection.execute(query).fetchall())


def probe_sqlalchemy(file: Path) -> Answers:
    import pandas
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"duckdb:///{file}?access_mode=read_only")
    with engine.connect() as connection:
        answers = ask(
            lambda query: list(
                pandas.read_sql(sqlalchemy.text(query), connection).itertuples(index=False)
            )
        )
    inspected = sqlalchemy.inspect(engine)
    answers["tables that it lists"] = str(len(inspected.get_table_names("serving")))
    answers["views that it lists"] = str(len(inspected.get_view_names("serving")))
    answers["columns that it describes"] = str(
        sum(bool(column["comment"]) for column in inspected.get_columns("latest_bars", "serving"))
    )
    return answers


def probe_harlequin(file: Path) -> Answers:
    from harlequin_duckdb import DuckDbAdapter

    connection = DuckDbAdapter([str(file)], read_only=True).connect()
    answers = ask(lambda query: connection.execute(query).fetchall().to_pylist())
    answers["databases in its tree"] = str(len(connection.get_catalog().items))
    return answers


PROBES = {"sqlalchemy": probe_sqlalchemy, "harlequin": probe_harlequin}

PROBE_NODE = """
import { DuckDBInstance } from '@duckdb/node-api';
const instance = await DuckDBInstance.create(process.argv[2], { access_mode: 'READ_ONLY' });
const connection = await instance.connect();
const rows = async (query) => (await connection.runAndReadAll(query)).getRowsJson();
const asked = JSON.parse(process.argv[3]);
const answers = {};
for (const [name, relation] of Object.entries(asked)) {
    try {
        answers[name] = String((await rows(relation))[0][0]);
    } catch (error) {
        answers[name] = `error: ${error.message.split('\\n')[0]}`;
    }
}
console.log(JSON.stringify(answers));
"""


def try_python(name: str, requirements: list[str], file: Path) -> Answers:
    folder = FOLDER / name.replace(" ", "-")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        run([str(python), "-m", "pip", "install", "--quiet", *requirements])
    found: Answers = json.loads(run([str(python), __file__, "--probe", name, "--file", str(file)]))
    return found


def try_node(name: str, requirements: list[str], file: Path, asked: dict[str, str]) -> Answers:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules").exists():
        run(["npm", "install", "--silent", "--prefix", str(folder), *requirements])
    (folder / "probe.mjs").write_text(PROBE_NODE)
    found: Answers = json.loads(
        run(["node", str(folder / "probe.mjs"), str(file), json.dumps(asked)])
    )
    return found


def run(words: list[str]) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(words[:6])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--file", type=Path, default=Path("data/duckbourse.duckdb"))
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    clients = DUCKDB | PYTHON | NODE
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(clients))
    given = parser.parse_args()
    file = given.file.absolute()
    if given.probe:
        print(json.dumps(PROBES.get(given.probe, probe_duckdb)(file)))
        return 0

    expected = probe_duckdb(file)
    failed = 0
    for name in given.names or clients:
        if name in NODE:
            import duckdb

            with duckdb.connect(str(file), read_only=True) as connection:
                asked = {name: name for (name,) in connection.execute(RELATIONS).fetchall()}
                asked |= questions(connection.execute(MACROS).fetchall())
            asked = {name: question(relation) for name, relation in asked.items()}
            found = try_node(name, NODE[name], file, asked)
        else:
            found = try_python(name, clients[name], file)
        wrong = {
            question: answer
            for question, answer in found.items()
            if answer != expected.get(question, answer) or answer.startswith("error")
        }
        failed += bool(wrong)
        print(f"{name}: {len(found) - len(wrong)} of {len(found)} answers are right", flush=True)
        for question, answer in wrong.items():
            print(f"    {question}: {answer}, not {expected.get(question)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
