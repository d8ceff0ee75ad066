"""
A vendor's table as typed rows, none lost.

`vendor_rows` holds every record in the file's order: what could be typed, and in `rule` the code
of the rule that a record breaks (see schema.RULES). `rejected` holds the lines that the CSV reader
could not make a record of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from duckbourse.errors import BadInput, NotBars
from duckbourse.ingest.columns import Role, detected
from duckbourse.ingest.options import Options
from duckbourse.ingest.schema import LINE_RULES, NO_NUMBER, PRICES, RULES, Kind
from duckbourse.ingest.stamps import (
    OFFSET_AT_END,
    PATTERNS,
    TYPED_INSTANT,
    TYPED_LOCAL,
    Format,
    Meaning,
    best_patterns,
    epoch,
    iso,
)
from duckbourse.ingest.tables import VendorTable, quoted_name, reading
from duckbourse.warehouse import quoted

LOOKED_AT = 200
OLDEST_YEAR = 1800


@dataclass(frozen=True)
class Columns:
    """The vendor's columns we use, the numbers among them, and those we leave."""

    roles: dict[Role, str]
    numbers: tuple[str, ...]
    left: tuple[str, ...]
    # settled by the columns alone
    kind: Kind | None

    def __contains__(self, role: Role) -> bool:
        return role in self.roles


@dataclass(frozen=True)
class Stamp:
    """A stamp as SQL: as text, as TIMESTAMP (UTC if an instant), and as its offset had it."""

    format: Format
    text: str
    value: str
    written: str | None = None


@dataclass(frozen=True)
class Rows:
    """
    What was read of a file; `relation` selects it with `place`, its number among what could be
    read as a row, and `source_row`, its number in the file, which counts rejected lines too.
    """

    columns: Columns
    stamp: Stamp
    relation: str
    read: int
    kept: int
    rejected: int
    # stamps that are not of a whole minute
    off_minute: int
    # the offset of every stamp, where all have the same
    offset: str | None

    @property
    def unreadable(self) -> int:
        """Rows that could not be typed, and lines that are no rows."""
        return self.read - self.kept


def usable_columns(table: VendorTable, options: Options, file: str) -> Columns:
    """Return which column is which, or raise BadInput where what is needed is missing."""
    have = "its columns are " + ", ".join(table.columns)
    try:
        roles = detected(list(table.columns), options.columns)
    except KeyError as error:
        raise BadInput(
            f"{file} has no column {error.args[0]!r}; {have}", "mend `columns` in the mapping"
        ) from error
    if Role.CLOSE not in roles and Role.ADJUSTED_CLOSE not in roles:
        raise NotBars(
            f"{file} has no close; {have}", "say which it is in a mapping: columns.close = '…'"
        )
    if Role.TIMESTAMP not in roles:
        raise BadInput(
            f"{file} has no date or timestamp; {have}",
            "say which it is in a mapping: columns.timestamp = '…'",
        )
    bars = [Role(price) for price in PRICES]
    kind = options.kind
    if kind is None and Role.ADJUSTED_CLOSE in roles and not set(bars[:3]) & set(roles):
        kind = Kind.ADJUSTED_CLOSE
    if kind is Kind.ADJUSTED_CLOSE:
        roles.setdefault(Role.ADJUSTED_CLOSE, roles.get(Role.CLOSE, ""))
        unused = {*bars, Role.VOLUME, Role.BAR_LABEL}
        numbers = [Role.ADJUSTED_CLOSE]
    else:
        missing = [role.value for role in bars if role not in roles]
        if missing:
            raise BadInput(
                f"{file} has no {', '.join(missing)}; {have}",
                "say which they are in a mapping (columns.open = '…'), or --kind adjusted_close "
                "if its close is adjusted for splits and dividends",
            )
        unused = {Role.ADJUSTED_CLOSE}
        numbers = [*bars, Role.VOLUME] if Role.VOLUME in roles else bars
    roles = {role: name for role, name in roles.items() if role not in unused}
    left = tuple(name for name in table.columns if name not in roles.values())
    return Columns(roles, tuple(role.value for role in numbers), left, kind)


def read_rows(
    con: duckdb.DuckDBPyConnection, table: VendorTable, options: Options, symbol: str, file: str
) -> Rows:
    """Fill `vendor_rows` and `rejected`, or raise BadInput where no row can be read."""
    columns = usable_columns(table, options, file)
    with reading(file):
        columns, stamp = written_stamps(con, table, columns, options, file)
        con.execute(rows_sql(table, columns, stamp, options, symbol))
    offsets = "written - stamp" if stamp.written is not None else "null"
    ranges = [name for name in ("open", "high", "low") if name in columns.numbers]
    [(typed, kept, off_minute, fewest, most, rejected, priced)] = con.execute(
        "select count(*), count(*) filter (where rule is null),"
        " count(*) filter (where rule is null and epoch_us(stamp) % 60000000 <> 0),"
        f" min({offsets}) filter (where rule is null),"
        f" max({offsets}) filter (where rule is null),"
        f" {'(select count(*) from reject_errors)' if table.recording else '0'},"
        f" {' + '.join(f'count({name})' for name in ranges) or '1'} from vendor_rows"
    ).fetchall()
    relation = "(select *, rowid + 1 as place, rowid + 1 as source_row from vendor_rows)"
    if rejected:
        rejected = keep_rejected(con, table)
        number_rows(con)
        relation = "numbered"
    rows = Rows(
        columns=columns,
        stamp=stamp,
        relation=relation,
        read=typed + rejected,
        kept=kept,
        rejected=rejected,
        off_minute=off_minute,
        offset=str(fewest) if fewest is not None and fewest == most else None,
    )
    if not rows.read:
        raise NotBars(f"{file} has a header and no rows", "ask the vendor for it again")
    if not kept:
        [(row, rule, content)] = con.execute(
            f"{unreadable_sql(table, rows)} order by source_row limit 1"
        ).fetchall()
        raise BadInput(
            f"{file}: none of its {rows.read:,} rows can be read; row {row} is {rule}: "
            f"{content[:120]}",
            "say date_format, decimal, thousands or columns in a mapping (--mapping)",
        )
    if not priced:
        raise BadInput(
            f"{file} has no open, high or low in any row",
            "say --kind adjusted_close if its close is adjusted for splits and dividends",
        )
    return rows


def rows_sql(
    table: VendorTable, columns: Columns, stamp: Stamp, options: Options, symbol: str
) -> str:
    """Return the statement that reads and types the whole file in one pass."""
    if Role.SYMBOL in columns and options.symbol is None:
        symbol_sql = f"nullif(trim({as_text(table, columns.roles[Role.SYMBOL])}), '')"
    else:
        symbol_sql = f"{quoted(options.symbol or symbol)}::varchar"
    fields = {"symbol": symbol_sql, "stamp_text": stamp.text, "stamp": stamp.value}
    if stamp.written is not None:
        fields["written"] = stamp.written
    if Role.BAR_LABEL in columns:
        fields["bar_label"] = f"lower({as_text(table, columns.roles[Role.BAR_LABEL])})"
    for number in columns.numbers:
        column = columns.roles[Role(number)]
        fields[f"{number}_text"] = quoted_name(column)
        fields[f"{number}_value"] = number_sql(table, column, number, options)
    typed = ", ".join(f"{sql} as {name}" for name, sql in fields.items())
    passed = [name for name in fields if not name.endswith("_value")]
    # NaN is how some vendors write a missing number; infinity is no price
    finite = [f"case when isfinite({n}_value) then {n}_value end as {n}" for n in columns.numbers]
    kept = [name for name in passed if not name.endswith("_text")]
    # no CTEs: DuckDB makes tables of them
    return f"""
        create or replace temp table vendor_rows as
        select {", ".join([*kept, *columns.numbers])}, {rule_sql(columns)} as rule
        from (
            select {", ".join(passed + finite)}
            from (select {typed} from ({table.recording or table.rows}) as vendor) as typed
        ) as finite
    """


def rule_sql(columns: Columns) -> str:
    """Return the code of the first rule that a row breaks, null for a row that breaks none."""
    missing = quoted("\\s*(" + "|".join(NO_NUMBER) + ")\\s*")
    code = {rule: number for number, rule in enumerate(RULES)}
    # the common case first: a row that has everything costs one look. No `in` and no list: DuckDB
    # makes a join of them, and the order of the file is lost on the way
    whole = " and ".join(f"{name} is not null" for name in ("symbol", "stamp", *columns.numbers))
    wrong = "\n".join(
        f"when {number} is null and {number}_text is not null"
        f" and not regexp_full_match({number}_text::varchar, {missing}, 'i')"
        f" then {code[f'unreadable_{number}']}"
        for number in columns.numbers
    )
    return f"""(case when {whole} then null
        when symbol is null then {code["no_symbol"]}
        when stamp_text is null or trim(stamp_text) = '' then {code["no_timestamp"]}
        when stamp is null then {code["unreadable_timestamp"]}
        {wrong} end)::utinyint"""


def number_sql(table: VendorTable, column: str, number: str, options: Options) -> str:
    """Return a number as DOUBLE, null where it is none."""
    sql = quoted_name(column)
    if table.columns[column] == "VARCHAR":
        if options.thousands:
            # groups of three, before the last also of two (12,34,567.00 in India): 990.5 is no
            # 9905 where a point is for thousands
            mark, point = re.escape(options.thousands), re.escape(options.decimal)
            grouped = rf"\s*[-+]?(\d+|\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}})({point}\d*)?\s*"
            sql = (
                f"case when regexp_full_match({sql}, {quoted(grouped)})"
                f" then replace({sql}, {quoted(options.thousands)}, '') end"
            )
        if options.decimal == ",":
            # a point that is left over must not pass for a decimal one
            sql = f"translate({sql}, '.,', '?.')"
    sql = f"try_cast({sql} as double)"
    if number == "volume" and options.volume_scale != 1:
        sql = f"{sql} * {options.volume_scale!r}"
    return sql


def as_text(table: VendorTable, column: str) -> str:
    """Return a column as VARCHAR."""
    name = quoted_name(column)
    return name if table.columns[column] == "VARCHAR" else f"{name}::varchar"


def written_stamps(
    con: duckdb.DuckDBPyConnection,
    table: VendorTable,
    columns: Columns,
    options: Options,
    file: str,
) -> tuple[Columns, Stamp]:
    """Return how stamps are written, and the columns without a `time` that is not needed."""
    column = columns.roles[Role.TIMESTAMP]
    name, kind = quoted_name(column), table.columns[column]
    text = as_text(table, column)
    time = columns.roles.get(Role.TIME)
    if time is None and options.date_format is None:
        if kind.startswith("TIMESTAMPTZ") or "WITH TIME ZONE" in kind:
            value = f"timezone('UTC', {name}::timestamptz)"
            return columns, Stamp(TYPED_INSTANT, text, value)
        if kind == "DATE" or kind.startswith("TIMESTAMP"):
            return columns, Stamp(TYPED_LOCAL, text, f"{name}::timestamp")
    sample = first_texts(con, table, column)
    if time is not None:
        clocks = first_texts(con, table, time)
        if any(":" in stamp for stamp in sample) or not clocks:
            roles = dict(columns.roles)
            del roles[Role.TIME]
            columns = Columns(roles, columns.numbers, (*columns.left, time), columns.kind)
        else:
            clock = as_text(table, time)
            if all(value.isdigit() for value in clocks):
                # 91500 is 09:15:00 whose zero a spreadsheet ate
                width = 4 if max(map(len, clocks)) <= 4 else 6
                clock = f"lpad(trim({clock}), {width}, '0')"
                clocks = [value.zfill(width) for value in clocks]
            text = f"trim({text}) || ' ' || trim({clock})"
            sample = [f"{day} {value}" for day, value in zip(sample, clocks, strict=False)]
    if not sample:
        raise NotBars(f"{file} has no row with a date", "ask the vendor for it again")
    return columns, stamp_sql(text, settled_format(con, table, text, sample, options, file))


def first_texts(con: duckdb.DuckDBPyConnection, table: VendorTable, column: str) -> list[str]:
    """Return the first values of a column as text, without those that are missing."""
    if table.head:
        at = list(table.columns).index(column)
        values = [row[at].strip() for row in table.head]
        if any(values):
            return [value for value in values if value]
    text = as_text(table, column)
    return [
        found
        for (found,) in con.execute(
            f"select trim({text}) as found from ({table.rows}) as vendor"
            f" where trim({text}) <> '' limit {LOOKED_AT}"
        ).fetchall()
    ]


def settled_format(
    con: duckdb.DuckDBPyConnection,
    table: VendorTable,
    text: str,
    sample: Sequence[str],
    options: Options,
    file: str,
) -> Format:
    """Return the format that reads most of the stamps, or raise BadInput where two could."""
    if options.date_format is not None:
        return Format(options.date_format, Meaning.LOCAL, pattern=options.date_format)
    if found := epoch(sample) or iso(sample):
        return found
    values = ", ".join(f"({quoted(value)})" for value in sample)
    best = patterns_of(con, f"(values {values}) as sample (found)", len(sample), PATTERNS)
    if len(best) > 1 and not same_reading(con, best, values):
        # the first rows may hold no day after the 12th: look at all
        every = f"(select distinct {text} as found from ({table.rows}) as vendor) as every_stamp"
        [(count,)] = con.execute(f"select count(*) from {every}").fetchall()
        best = patterns_of(con, every, count, best)
        if len(best) > 1:
            raise BadInput(
                f"{file}: {sample[0]!r} may be {' or '.join(best)}",
                f"say which in a mapping: date_format = '{best[0]}'",
            )
    if not best:
        raise BadInput(
            f"{file}: stamps such as {sample[0]!r} are of no format we know",
            "say it in a mapping: date_format = '%d-%m-%Y %H:%M:%S'",
        )
    return Format(best[0], Meaning.LOCAL, pattern=best[0])


def patterns_of(
    con: duckdb.DuckDBPyConnection, stamps: str, count: int, patterns: Sequence[str]
) -> list[str]:
    """Return the patterns that read the most of these stamps."""
    # %Y takes a year of two digits for one of antiquity
    counts = ", ".join(
        f"count(*) filter (where year(try_strptime(found, {quoted(pattern)})) > {OLDEST_YEAR})"
        for pattern in patterns
    )
    [read] = con.execute(f"select {counts} from {stamps}").fetchall()
    return best_patterns(dict(zip(patterns, read, strict=True)), count)


def same_reading(con: duckdb.DuckDBPyConnection, patterns: Sequence[str], values: str) -> bool:
    """Tell whether these patterns read the same stamps out of the same texts."""
    first, *others = (f"try_strptime(found, {quoted(pattern)})" for pattern in patterns)
    differ = " or ".join(f"{first} is distinct from {other}" for other in others)
    [(count,)] = con.execute(
        f"select count(*) from (values {values}) as sample (found) where {differ}"
    ).fetchall()
    return bool(count == 0)


def stamp_sql(text: str, written: Format) -> Stamp:
    """Return the SQL that reads stamps of this format."""
    if written.per_second is not None:
        count = f"try_cast(split_part(trim({text}), '.', 1) as bigint)"
        if written.per_second > 10**6:
            micros = f"{count} // {written.per_second // 10**6}"
        else:
            micros = f"{count} * {10**6 // written.per_second}"
        # counts beyond any calendar overflow; no market is older than 1800 or younger than 2200
        return Stamp(
            written,
            text,
            f"case when {micros} between -5364662400000000 and 7258118400000000"
            f" then make_timestamp({micros}) end",
        )
    if written.pattern is not None:
        return Stamp(written, text, f"try_strptime(trim({text}), {quoted(written.pattern)})")
    offset = f"regexp_matches({text}, {quoted(OFFSET_AT_END)})"
    cast = f"try_cast({text} as timestamp)"
    if written.meaning is Meaning.OFFSET:
        return Stamp(
            written,
            text,
            f"timezone('UTC', case when {offset} then try_cast({text} as timestamptz) end)",
            cast,
        )
    # a stamp among these that does carry an offset is not read as if it had none
    longest = len("2020-01-02 09:15:00")
    return Stamp(
        written,
        text,
        f"case when length({text}) > {longest} and {offset} then null else {cast} end",
    )


def keep_rejected(con: duckdb.DuckDBPyConnection, table: VendorTable) -> int:
    """Keep the lines that are no rows in `rejected`, by their place among the file's records."""
    rules = " ".join(
        f"when {quoted(said)} then {quoted(rule)}" for said, rule in LINE_RULES.items()
    )
    con.execute(
        "create or replace temp table rejected as select"
        f" any_value(line)::bigint - {table.lines_before} - 1 as place,"
        f" any_value(case error_type::varchar {rules} end) as rule, any_value(csv_line) as line"
        " from reject_errors group by byte_position, line"
    )
    con.execute("drop table reject_errors; drop table reject_scans")
    [(count,)] = con.execute("select count(*) from rejected").fetchall()
    return int(count)


def number_rows(con: duckdb.DuckDBPyConnection) -> None:
    """Make `numbered`, where the rejected lines between the rows are counted."""
    con.execute("""
        create or replace temp table numbered as
        with before as (
            select
                place - row_number() over (order by place) + 1 as from_row,
                row_number() over (order by place) as lines
            from rejected
        ),
        steps as (select from_row, max(lines) as lines from before group by from_row),
        places as (select *, rowid as at_row from vendor_rows)
        select
            places.* exclude (at_row),
            at_row + 1 as place,
            at_row + 1 + coalesce(steps.lines, 0) as source_row
        from places asof left join steps on places.at_row >= steps.from_row
        order by at_row
    """)


def unreadable_sql(table: VendorTable, rows: Rows) -> str:
    """
    Return the selection of source_row, rule and content (as JSON) of what could not be typed.

    It reads the file again, for there is rarely any.
    """
    rules = " ".join(f"when {code} then {quoted(rule)}" for code, rule in enumerate(RULES))
    select = f"""
        select wrong.source_row, case wrong.rule {rules} end as rule,
            to_json(texts.vendor)::varchar as content
        from (select row_number() over () as place, vendor from ({table.rows}) as vendor) as texts
        inner join (
            select place, source_row, rule from {rows.relation} where rule is not null
        ) as wrong using (place)
    """
    if not rows.rejected:
        return select
    return f"""
        {select} union all
        select place + 1, rule, to_json({{'line': line}})::varchar from rejected
    """
