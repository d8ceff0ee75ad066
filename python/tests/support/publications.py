"""Handmade build files, as a green build leaves them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from duckbourse import state
from duckbourse.state import State

MAKE = """
    create schema staging;
    create schema bars;
    create schema serving;
    create schema build_state;
    create table build_state.models as select 'bars__ohlcv' as model;
    create table build_state.unpublished as select 'bars.days' as relation;
    create table bars.days as select 1 as day;
    create view staging.stg_raw__daily as select * from read_parquet('{parquet}');
    create table bars.ohlcv (
        symbol varchar not null primary key,
        close decimal(18, 4) check (close > 0)
    );
    insert into bars.ohlcv select 'S' || n, {generation} from range({rows}) as numbers (n);
    create table bars.twin as select {generation} as generation;
    create view bars.dear as select * from bars.ohlcv where close > 1;
    comment on table bars.ohlcv is 'one row is a symbol';
    comment on view bars.dear is 'Expensive ones:\n\n- above 1';
    comment on column bars.ohlcv.close is 'as traded';
    create macro serving.closes(p_symbol) as table
        select close from bars.ohlcv where symbol = p_symbol::varchar;
    create table serving.publication as
        select
            'b{generation}' as build_id,
            'abc123' as git_revision,
            '0123456789abcdef' as data_version,
            'run-{generation}' as invocation_id,
            null::timestamp as published_at,
            null::map(varchar, bigint) as row_counts,
            map(['bars.ohlcv', 'bars.days'], [['symbol'], ['day']]) as keys,
            ['bars.ohlcv', 'serving.publication'] as public_relations;
"""


def make(path: Path, generation: int = 1, rows: int = 3) -> State:
    """Write a complete build file, and return its recorded state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    parquet = path.parent / "daily.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as day) to '{parquet}'")
        connection.execute(f"attach '{path}' as duckbourse (storage_version 'v1.0.0')")
        connection.execute("use duckbourse")
        connection.execute(MAKE.format(generation=generation, rows=rows, parquet=parquet))
    green = State(f"run-{generation}", "", (), *state.fingerprint(path))
    state.save(path, green)
    return green
