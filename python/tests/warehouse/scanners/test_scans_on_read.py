"""A scan on read at a preset's own cutoff equals the stored one, since both use the same SQL."""

from __future__ import annotations

import duckdb

from tests.support.warehouse import Warehouse


def test_each_scan_on_read_is_the_stored_one(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:

        def query(sql: str) -> list[tuple[object, ...]]:
            return connection.execute(sql).fetchall()

        macros = query(
            "select function_name from duckdb_functions() where schema_name = 'main' "
            "and database_name = 'duckbourse' and ends_with(function_name, '_scan') order by all"
        )
        scanners = [str(name).removesuffix("_scan") for (name,) in macros]
        assert {"breakout", "crp", "pattern"} <= set(scanners)
        for scanner in scanners:
            presets = query(f"select preset, cutoff_time from seeds.{scanner}_presets")
            assert presets
            for preset, cutoff in presets:
                stored = f"from scanners.{scanner} where preset = '{preset}'"
                connection.execute(
                    "create or replace temp table read as "
                    f"from {scanner}_scan('2010-04-01', '{cutoff}', '{preset}', "
                    "p_last_session_date := '2010-05-28')"
                )
                for one, other in ((stored, "from read"), ("from read", stored)):
                    assert query(f"{one} except all {other}") == [], f"{scanner} {preset}"
                day = "2010-05-06"
                one_day = f"from {scanner}_scan('{day}', '{cutoff}', '{preset}')"
                of_the_day = f"{stored} and session_date = '{day}'"
                assert query(f"{one_day} order by all") == query(f"{of_the_day} order by all")
