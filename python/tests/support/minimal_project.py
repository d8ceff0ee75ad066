"""A project that builds in seconds, with the real package and its command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckbourse.settings import PROJECT
from tests.support.waiting import HANG_SECONDS

FILES = {
    "dbt_project.yml": """
        {
            name: duckbourse,
            version: "0.1.0",
            profile: duckbourse,
            vars: {as_of: null, max_rejected_pct: 5, rows: 3},
            on-run-start: [
                create schema if not exists build_state,
                create table if not exists build_state.unpublished (relation varchar)],
            models: {duckbourse: {
                +materialized: table,
                staging: {+schema: staging, +materialized: view},
                bars: {+schema: bars},
                serving: {+schema: serving}}},
            flags: {send_anonymous_usage_stats: false}}
    """,
    "macros/names.sql": """
        {% macro generate_schema_name(custom_schema_name, node) -%}
            {{ custom_schema_name or target.schema }}
        {%- endmacro %}
        {% macro generate_alias_name(custom_alias_name, node) -%}
            {{ node.name.split('__')[-1] }}
        {%- endmacro %}
    """,
    "models/staging/stg_raw__daily.sql": """
        select 'AAPL' as symbol, unnest(range({{ var('rows') }})) as day
    """,
    "models/bars/bars__ohlcv.sql": "select * from {{ ref('stg_raw__daily') }}",
    "models/bars/bars__count.sql": "select count(*) as n from {{ ref('bars__ohlcv') }}",
    "models/bars/bars.yml": """
        {models: [{name: bars__ohlcv, columns: [
            {name: symbol, data_tests: [not_null]}, {name: day, data_tests: [unique]}]}]}
    """,
    "models/serving/serving__publication.sql": """
        select
            'b' as build_id,
            null::varchar as git_revision,
            'd' as data_version,
            '{{ invocation_id }}' as invocation_id,
            current_timestamp at time zone 'UTC' as built_at,
            null::timestamp as published_at,
            null::map(varchar, bigint) as row_counts,
            map([]::varchar[], []::varchar[][]) as keys,
            []::varchar[] as public_relations
    """,
}


@dataclass(frozen=True)
class MinimalProject:
    """The project in a folder: its files, commands and databases."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> MinimalProject:
        minimal_project = cls(folder)
        for path, text in FILES.items():
            minimal_project.write(path, text)
        shutil.copy(PROJECT / "profiles.yml", folder)
        package = folder / "python" / "duckbourse"
        shutil.copytree(
            PROJECT / "python" / "duckbourse", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(PROJECT / "python" / "pyproject.toml", folder / "python")
        (folder / "data").mkdir()
        return minimal_project

    def copy(self, folder: Path) -> MinimalProject:
        shutil.copytree(self.folder, folder, symlinks=True)
        return MinimalProject(folder)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @property
    def built(self) -> Path:
        return self.folder / "data" / "build" / "duckbourse.duckdb"

    @property
    def published(self) -> Path:
        return self.folder / "data" / "duckbourse.duckdb"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "duckbourse.cli", *words]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BOURSE_", "DBT_"))}
        return {**kept, "PYTHONPATH": str(self.folder / "python"), "COLUMNS": "200", **more}

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def bourse(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=HANG_SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            return connection.execute(query).fetchall()
