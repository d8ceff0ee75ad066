"""
Publish a green build with one rename.

The build file is copied beside the published one, stripped of staging (views over local Parquet)
and of private models, given its publication record, closed, read once, and renamed. Readers keep
the publication that they have open. A kill at any moment leaves the previous publication and a file
that the next run removes. The former publication is kept for a while (`history.py`), and
`roll_back` publishes a kept one again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckbourse import clock, history
from duckbourse.disk import flush, wrap_os_error
from duckbourse.errors import BourseError, PublicationError
from duckbourse.settings import settings
from duckbourse.state import State
from duckbourse.warehouse import attach, quoted, wrap_duckdb_error

NOT_PUBLISHED = {"staging", "build_state"}
NOT_PUBLIC = "Not public: it may change without notice."
RELATIONS = """
    select 'table' as kind, schema_name || '.' || table_name as relation, comment
    from duckdb_tables() where database_name = current_database()
    union all
    select 'view', schema_name || '.' || view_name, comment
    from duckdb_views() where database_name = current_database() and not internal
"""


@dataclass(frozen=True)
class Published:
    """
    A publication: its path and size, how long it took, and the row count of each table.

    `former` is the name under which the one before is kept, if it is; `warnings` say what went
    wrong with that, which fails no publication.
    """

    path: Path
    byte_count: int
    seconds: float
    is_compacted: bool
    row_counts: dict[str, int]
    former: str | None
    warnings: tuple[str, ...]


def publish(source: Path, target: Path, state: State | None) -> Published:
    """
    Publish the build file as `target`, or raise and leave `target` unchanged.

    `state` is the recorded state of the build file: every node must be green, and the file must be
    unchanged since and hold the record of that same run. The caller must be the file's sole owner.
    """
    started = clock.elapsed_seconds()
    if why := refusal(source, state):
        raise why
    assert state is not None
    history.remove_leftovers(target)
    copy = history.temporary_in(target.parent)
    keeper = _Keeper(target)
    keeper.free_space(source.stat().st_size)
    try:
        is_compacted = _copy(source, copy)
        row_counts = _complete(copy, state.invocation_id)
        _read_once(copy, row_counts)
        flush(copy)
        keeper.keep()
        copy.replace(target)
        flush(target.parent)
    except OSError as error:
        raise wrap_os_error(error, copy) from error
    except duckdb.Error as error:
        raise wrap_duckdb_error(error, copy) from error
    finally:
        for leftover in target.parent.glob(f"{copy.name}*"):
            leftover.unlink(missing_ok=True)
    keeper.apply_limits()
    return Published(
        target,
        target.stat().st_size,
        clock.elapsed_seconds() - started,
        is_compacted,
        row_counts,
        keeper.former,
        tuple(keeper.warnings),
    )


def current(target: Path, state: State) -> Published | None:
    """Return the publication if it is of the run of this state and can be read, or None."""
    try:
        record = history.record_of(target)
    except BourseError:
        return None
    if record["invocation_id"] != state.invocation_id:
        return None
    return Published(target, target.stat().st_size, 0.0, False, record["row_counts"], None, ())


def roll_back(published: Path, kept: history.Publication) -> str | None:
    """
    Publish a kept publication again, or raise and change nothing; the current one is kept too.

    Return the name of the current one, or None if there is none that can be read. The caller must
    be the build file's sole owner.
    """
    history.remove_leftovers(published)
    try:
        _read_once(kept.path, kept.row_counts)
    except (BourseError, duckdb.Error) as error:
        raise PublicationError(
            f"{kept.name} was not published again, since it cannot be read: {error}",
            "choose another one: `./bourse publications`",
        ) from error
    try:
        history.record_of(published)
    except BourseError:
        former = None  # lost or damaged
    else:
        former = history.keep(published)
    try:
        history.put(kept.path, published)
    except OSError as error:
        raise wrap_os_error(error, published) from error
    return former


class _Keeper:
    """Keeps the former publication; what goes wrong is a warning."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.former: str | None = None
        self.warnings: list[str] = []

    def free_space(self, byte_count: int) -> None:
        with self._warning("the disk is nearly full, and no kept publication was removed"):
            if removed := history.free_space(self._target, byte_count):
                names = ", ".join(path.stem for path in removed)
                self.warnings.append(f"the disk was nearly full; removed: {names}")

    def keep(self) -> None:
        with self._warning("the former publication is not kept"):
            if settings().keep_publications:
                self.former = history.keep(self._target)

    def apply_limits(self) -> None:
        with self._warning("no kept publication was removed"):
            if self.former in {path.stem for path in history.apply_limits(self._target)}:
                self.former = None

    @contextmanager
    def _warning(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except (BourseError, OSError, duckdb.Error) as error:
            self.warnings.append(f"{consequence}: {error}")


# so many red nodes are named
MOST_NAMED = 3


def refusal(source: Path, state: State | None) -> PublicationError | None:
    """Return why this build file must not be published, or None if it may be."""
    if not source.exists():
        return PublicationError(f"there is no build file {source}", "run `./bourse build`")
    if state is None or not state.is_of(source):
        return PublicationError(
            f"{source} has no record: no full build has ended since it was changed",
            "run `./bourse build` without --select",
        )
    if state.unproven:
        return PublicationError(
            f"{source} is not green: {red_nodes(state)} when last built",
            f"run `./bourse build`, or `./bourse build -s {' '.join(_names(state))}`"
            if len(state.unproven) <= MOST_NAMED
            else "run `./bourse build`",
        )
    return None


def red_nodes(state: State) -> str:
    """Return how many nodes were not green, with the names of the first."""
    names = _names(state)
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    were = "was" if len(names) == 1 else "were"
    return f"{', '.join(names[:MOST_NAMED])}{more} {were} not green"


def _names(state: State) -> list[str]:
    return [node.split(".")[2] for node in state.unproven]


def refusal_of_part(source: Path, state: State | None, variables: str) -> PublicationError | None:
    """Return why a build with --select will not be published even if it is green, or None."""
    if state is None:
        return refusal(source, state)
    if state.variables != variables:
        built = f"--vars {state.variables!r}" if state.variables else "no --vars"
        return PublicationError(
            f"{source} was built with {built}, and a part with other values would not fit",
            "select with the same --vars, or run `./bourse build` without --select",
        )
    return None


def _copy(source: Path, copy: Path) -> bool:
    # A byte copy is seven times faster. Copying block by block pays once the free blocks that
    # rebuilt tables leave behind are more than half of the file.
    with duckdb.connect() as connection:
        attach(connection, source, read_only=True)  # no one can write to it meanwhile
        if Path(f"{source}.wal").exists():
            raise PublicationError(
                f"{source} has changes that were not yet written to the file",
                "run `./bourse build` again",
            )
        [(used, free)] = connection.execute(
            "select used_blocks, free_blocks from pragma_database_size() where database_name = ?",
            ["duckbourse"],
        ).fetchall()
        if free <= used:
            shutil.copyfile(source, copy)
            return False
        connection.execute(f"set memory_limit = {quoted(settings().memory_limit)}")
        connection.execute(f"set threads = {settings().threads}")
        connection.execute(f"set temp_directory = {quoted(source.parent / 'spill')}")
        connection.execute(f"attach {quoted(copy)} as compact (storage_version 'v1.0.0')")
        connection.execute("copy from database duckbourse to compact")
        connection.execute("detach compact")
        return True


def _complete(copy: Path, invocation_id: str) -> dict[str, int]:
    with duckdb.connect() as connection:
        attach(connection, copy, read_only=False)
        unpublished = connection.execute("select relation from build_state.unpublished").fetchall()
        for (relation,) in unpublished:
            schema, _, table = relation.partition(".")
            connection.execute(f'drop table if exists "{schema}"."{table}"')
        for schema in NOT_PUBLISHED:
            connection.execute(f"drop schema if exists {schema} cascade")
        try:
            records = connection.execute(
                "select invocation_id, keys, public_relations from serving.publication"
            ).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise PublicationError(
                f"the build file has no usable serving.publication: {str(error).splitlines()[0]}",
                "run `./bourse build` (without --select)",
            ) from error
        runs = [run for run, *_ in records]
        if runs != [invocation_id]:
            raise PublicationError(
                f"serving.publication is of {', '.join(runs) or 'no run'}, "
                f"but the last green run is {invocation_id}",
                "run `./bourse build`",
            )
        row_counts = _row_counts(connection)
        there = connection.execute(f"select relation from ({RELATIONS})").fetchall()
        connection.execute(
            """
            update serving.publication
            set
                published_at = ?::timestamptz at time zone 'UTC',
                row_counts = map(?::varchar[], ?::bigint[]),
                keys = map_from_entries(
                    list_filter(
                        map_entries(keys), lambda entry: list_contains(?::varchar[], entry.key)
                    )
                )
            """,
            [
                clock.now(),
                list(row_counts),
                list(row_counts.values()),
                [relation for (relation,) in there],
            ],
        )
        _complete_comments(connection)
        connection.execute("checkpoint")
    if Path(f"{copy}.wal").exists():
        raise PublicationError(f"{copy} did not close cleanly", "run `./bourse publish` again")
    return row_counts


def _complete_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """End the comments of tables and views with the key, for tools that show comments only."""
    described = connection.execute(
        f"""
        select
            kind || ' "' || replace(relation, '.', '"."') || '"',
            comment,
            array_to_string(keys[relation], ', '),
            list_contains(public_relations, relation)
        from ({RELATIONS}) cross join serving.publication
        """
    ).fetchall()
    for relation, comment, key, is_public in described:
        ends = [f"Key: {key}."] if key else []
        if not is_public:
            ends.append(NOT_PUBLIC)
        if ends:
            between = "\n\n" if comment and "\n" in comment else " "
            text = between.join(filter(None, [comment, " ".join(ends)]))
            connection.execute(f"comment on {relation} is {quoted(text)}")


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = current_database() order by all"
    ).fetchall()
    return {
        f"{schema}.{table}": connection.table(f'"{schema}"."{table}"').count("*").fetchall()[0][0]
        for schema, table in tables
    }


def _read_once(copy: Path, row_counts: dict[str, int]) -> None:
    # As a reader on another machine would: without our Parquet, on which no view may depend.
    with duckdb.connect() as connection:
        attach(connection, copy, read_only=True)
        connection.execute("set enable_external_access = false")
        if _row_counts(connection) != row_counts:
            raise PublicationError(f"{copy} does not hold what was written", "check the disk")
        views = connection.execute(
            "select schema_name, view_name from duckdb_views()"
            " where database_name = current_database() and not internal order by all"
        ).fetchall()
        for schema, view in views:
            try:
                connection.execute(f'select * from "{schema}"."{view}" limit 0').fetchall()
            except duckdb.Error as error:
                raise PublicationError(
                    f"the view {schema}.{view} cannot be read from the published file alone: "
                    f"{str(error).splitlines()[0]}",
                    "make it a table, or let it read tables instead of staging",
                ) from error
