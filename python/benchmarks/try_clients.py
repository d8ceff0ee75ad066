"""
Opens a publication with the clients and tools that people use.

    .venv/bin/python python/benchmarks/try_clients.py [--file data/duckbourse.duckdb] [NAME …]

Each client is installed into a folder of its own in `target/clients`, from PyPI or npm; nothing of
the project's environment changes. Every client is asked the same questions: the rows of every table
and view, the answer of every table macro, the results by scanner, and how many columns have a
description. Superset is started on loopback and asked by REST. An answer that is not that of the
project's own DuckDB is listed, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "target" / "clients"
DUCKDB = {
    f"duckdb-{version}": [f"duckdb=={version}"]
    for version in ("1.0.0", "1.1.3", "1.2.2", "1.3.2", "1.4.5", "1.5.6", "2.0.1")
}
TOOLS = {
    "duckdb-cli": ["duckdb-cli==1.5.6"],
    "harlequin": ["harlequin==2.17.0"],
    "sqlalchemy": ["duckdb-sqlalchemy==1.5.6.5", "duckdb==1.5.6", "pandas"],
    "duckdb-engine": ["duckdb-engine==0.17.0", "sqlalchemy<2.1", "duckdb==2.0.1", "pandas"],
    "superset": [
        "apache-superset==6.1.0",
        "duckdb-engine==0.17.0",
        # Superset imports these two and does not require them
        "rich",
        "cachetools",
        # later releases pass an argument that Superset's own cache does not take
        "flask-caching==2.3.1",
    ],
}
NODE = {"node": ["@duckdb/node-api@1.5.6-r.1"]}
# values of the parameters that have no default
ARGUMENTS = {
    "p_name": "'rsi'",
    "p_symbol": "'AAPL'",
    # the recursive indicators take minutes of daily bars in DuckDB 1.5
    "p_timeframe": "'1w'",
    "p_symbols": "['AAPL', 'MSFT']",
    "p_window_sessions": "250",
    "p_portfolio": "'equal_20'",
    "p_confidence": "0.99",
    "p_horizon_sessions": "1",
    "p_session_date": "'2010-05-06'",
    "p_cutoff_time": "'11:30'",
    "p_preset": "(select min(preset) from seeds.{scanner}_presets)",
}
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
CHART = "count(*)", "round(avg(net_return), 12)"
QUERIES = {
    "results by scanner": f"""
        select string_agg(line, ', ' order by line) from (
            select scanner || ': ' || {CHART[0]} || ' signals, ' || {CHART[1]} as line
            from serving.signals_with_outcomes group by scanner
        )
    """,
    "descriptions": """
        select count(*)::varchar from duckdb_columns()
        where schema_name = 'serving' and table_name = 'latest_prices' and comment is not null
    """,
}
Answers = dict[str, str]
Rows = Callable[[str], list[Any]]


def questions(rows: Rows) -> dict[str, str]:
    """Return the queries, by name: each has one row with one text."""
    asked = {name: f"select count(*)::varchar from {name}" for (name,) in rows(RELATIONS)}
    for schema, name, parameters in rows(MACROS):
        given = [ARGUMENTS[parameter] for parameter in parameters if parameter in ARGUMENTS]
        arguments = ", ".join(given).format(scanner=name.removesuffix("_scan"))
        asked[f"{schema}.{name}(…)"] = content(rows, f"{schema}.{name}({arguments})")
    return asked | QUERIES


def content(rows: Rows, call: str) -> str:
    """
    Return the query of a macro's number of rows and of a hash of them.

    A macro that a client reads otherwise than it was written may answer with other numbers. The
    last digits of doubles are left out: releases add in another order.
    """
    texts = ", ".join(
        f"""printf('%.9g', "{name}")""" if kind == "DOUBLE" else f"""to_json("{name}")::varchar"""
        for name, kind, *_ in rows(f"describe select * from {call}")
    )
    return f"""
        select count(*) || ' rows, ' || md5(coalesce(string_agg(line, ' ' order by line), ''))
        from (select concat_ws(',', {texts}) as line from {call})
    """


def ask(rows: Rows, asked: dict[str, str]) -> Answers:
    answers = {}
    for name, query in asked.items():
        try:
            [(answer,)] = rows(query)
            answers[name] = str(answer)
        except Exception as error:
            answers[name] = f"error: {str(error).strip().splitlines()[0]}"
    return answers


def probe_duckdb(file: Path, asked: dict[str, str]) -> Answers:
    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        return ask(lambda query: connection.execute(query).fetchall(), asked)


def probe_duckdb_cli(file: Path, asked: dict[str, str]) -> Answers:
    program = shutil.which("duckdb", path=str(Path(sys.executable).parent))
    assert program

    def rows(query: str) -> list[Any]:
        words = [program, "-readonly", "-json", str(file), query]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(done.stderr)
        return [tuple(row.values()) for row in json.loads(done.stdout)]

    return ask(rows, asked)


def probe_sqlalchemy(file: Path, asked: dict[str, str]) -> Answers:
    import pandas
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"duckdb:///{file}?access_mode=read_only")
    with engine.connect() as connection:
        answers = ask(
            lambda query: list(
                pandas.read_sql(sqlalchemy.text(query), connection).itertuples(index=False)
            ),
            asked,
        )
    inspected = sqlalchemy.inspect(engine)
    columns = inspected.get_columns("latest_prices", "serving")
    answers["descriptions"] = str(sum(bool(column["comment"]) for column in columns))
    return answers


def probe_harlequin(file: Path, asked: dict[str, str]) -> Answers:
    from harlequin_duckdb import DuckDbAdapter

    connection = DuckDbAdapter([str(file)], read_only=True).connect()

    def rows(query: str) -> list[Any]:
        return [tuple(row.values()) for row in connection.execute(query).fetchall().to_pylist()]

    return ask(rows, asked)


def probe_superset(file: Path, asked: dict[str, str]) -> Answers:
    """Ask in SQL Lab; the results by scanner are a chart of a dataset, with its descriptions."""
    with superset() as rest:
        database = rest(
            "database/",
            {
                "database_name": f"duckbourse {secrets.token_hex(4)}",
                "sqlalchemy_uri": f"duckdb:///{file}?access_mode=read_only",
                # without the file's own protection a query could now write
                "allow_dml": True,
            },
        )["id"]

        def rows(query: str) -> list[Any]:
            laboratory = {
                "database_id": database,
                "sql": query,
                "runAsync": False,
                "client_id": secrets.token_hex(5),
            }
            return [tuple(row.values()) for row in rest("sqllab/execute/", laboratory)["data"]]

        answers = ask(rows, asked)
        answers["writing"] = ask(rows, {"": "create table serving.mine as select 1 as one"})[""]
        table = {"database": database, "schema": "serving"}
        prices = rest("dataset/", table | {"table_name": "latest_prices"})["id"]
        columns = rest(f"dataset/{prices}")["result"]["columns"]
        answers["descriptions"] = str(sum(bool(column["description"]) for column in columns))
        signals = rest("dataset/", table | {"table_name": "signals_with_outcomes"})["id"]
        metrics = [
            {"expressionType": "SQL", "sqlExpression": expression, "label": expression}
            for expression in CHART
        ]
        chart = {
            "datasource": {"id": signals, "type": "table"},
            "queries": [{"columns": ["scanner"], "metrics": metrics, "row_limit": 100}],
        }
        [result] = rest("chart/data", chart)["result"]
        answers["results by scanner"] = ", ".join(
            sorted(
                f"{row['scanner']}: {row[CHART[0]]} signals, {row[CHART[1]]}"
                for row in result["data"]
            )
        )
        return answers


@contextlib.contextmanager
def superset() -> Iterator[Callable[..., Any]]:
    """Start Superset on loopback with an empty database of its own; return its REST interface."""
    home = Path(sys.prefix) / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    configuration = home / "superset_config.py"
    configuration.write_text(
        f"SECRET_KEY = {secrets.token_hex(32)!r}\n"
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{home}/superset.db'\n"
        "WTF_CSRF_ENABLED = False\n"
        "RATELIMIT_ENABLED = False\n"
    )
    environment = os.environ | {
        "SUPERSET_CONFIG_PATH": str(configuration),
        "FLASK_APP": "superset.app:create_app()",
    }
    program = str(Path(sys.executable).with_name("superset"))
    password = secrets.token_hex(8)
    who = ["--username", "admin", "--firstname", "Ada", "--lastname", "Admin"]
    who += ["--email", "admin@example.com", "--password", password]
    for words in (
        ["db", "upgrade"],
        ["fab", "create-admin", *who],
        ["init"],
    ):
        run([program, *words], environment)
    with socket.socket() as probed:
        probed.bind(("127.0.0.1", 0))
        port = probed.getsockname()[1]
    headers = {"Content-Type": "application/json"}

    def rest(path: str, sent: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/{path}",
            json.dumps(sent).encode() if sent else None,
            headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error

    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [program, "run", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        credentials = {"username": "admin", "password": password, "provider": "db"}
        for _ in range(120):
            with contextlib.suppress(urllib.error.URLError):
                token = rest("security/login", credentials)["access_token"]
                break
            time.sleep(1)
        headers["Authorization"] = f"Bearer {token}"
        yield rest
    finally:
        server.terminate()
        server.wait()


PROBES = {
    "duckdb-cli": probe_duckdb_cli,
    "duckdb-engine": probe_sqlalchemy,
    "harlequin": probe_harlequin,
    "sqlalchemy": probe_sqlalchemy,
    "superset": probe_superset,
}

PROBE_NODE = """
import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
const instance = await DuckDBInstance.create(process.argv[2], { access_mode: 'READ_ONLY' });
const connection = await instance.connect();
const answers = {};
for (const [name, query] of Object.entries(JSON.parse(readFileSync(0)))) {
    try {
        answers[name] = (await connection.runAndReadAll(query)).getRowsJson()[0][0];
    } catch (error) {
        answers[name] = `error: ${error.message.split('\\n')[0]}`;
    }
}
console.log(JSON.stringify(answers));
"""


def try_client(name: str, file: Path, asked: dict[str, str]) -> Answers:
    folder = FOLDER / name
    installed = folder / "installed"
    if name in NODE:
        program = ["node", str(folder / "probe.mjs"), str(file)]
        install = ["npm", "install", "--silent", "--prefix", str(folder), *NODE[name]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "probe.mjs").write_text(PROBE_NODE)
    else:
        python = str(folder / "bin" / "python")
        program = [python, __file__, "--probe", name, "--file", str(file)]
        install = [python, "-m", "pip", "install", "--quiet", *(DUCKDB | TOOLS)[name]]
        if not folder.exists():
            venv.create(folder, with_pip=True)
    requirements = " ".join(install)
    if not installed.exists() or installed.read_text() != requirements:
        run(install)
        installed.write_text(requirements)
    answers: Answers = json.loads(run(program, sent=json.dumps(asked)).splitlines()[-1])
    return answers


def run(words: list[str], environment: dict[str, str] | None = None, sent: str = "") -> str:
    environment = {k: v for k, v in (environment or os.environ).items() if k != "PYTHONPATH"}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, input=sent
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words[:6])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--file", type=Path, default=Path("data/duckbourse.duckdb"))
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    clients = [*DUCKDB, *TOOLS, *NODE]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(clients))
    given = parser.parse_args()
    file = given.file.absolute()
    if given.probe:
        probe = PROBES.get(given.probe, probe_duckdb)
        print(json.dumps(probe(file, json.load(sys.stdin))))
        return 0

    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        asked = questions(lambda query: connection.execute(query).fetchall())
    expected = probe_duckdb(file, asked)
    failed = False
    for name in given.names or clients:
        began = time.monotonic()
        found = try_client(name, file, asked)
        refusal = found.pop("writing", "error: read-only")
        wrong = {
            question: answer
            for question, answer in found.items()
            if answer != expected[question] or answer.startswith("error")
        }
        if "read-only" not in refusal:
            wrong["writing"] = refusal
        failed |= bool(wrong)
        right = len(found) - len(wrong)
        seconds = time.monotonic() - began
        print(f"{name}: {right} of {len(found)} answers are right, {seconds:.0f} s", flush=True)
        for question, answer in wrong.items():
            print(f"    {question}: {answer}, not {expected.get(question, 'refused')}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
