"""
A vendor's table as typed rows, with none lost.

`vendor_rows` holds every record in the file's order: the typed values, and in `rule` the code of
the rule that a record breaks (see schema.RULES). `rejected` holds the lines that the CSV reader
could not parse.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from duckbourse.errors import BadInput, BrokenRow, BrokenRule, NoRows, NotBars, UnreadableRows
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.identity import CONTRACT, are_codes, place_sql, symbol_sql, trimmed_sql
from duckbourse.ingest.inference.columns import (
    MAY_BE_EXCHANGES,
    Role,
    alike,
    infer_roles,
    is_bhavcopy,
    normalized,
    quoted_name,
)
from duckbourse.ingest.inference.dialect import KNOWN, MIN_NAMES
from duckbourse.ingest.inference.numbers import (
    WHOLE,
    Marks,
    Texts,
    bare_number,
    form,
    infer_marks,
    number_sql,
    refuse_two_readings,
    stated_marks,
    two_readings,
)
from duckbourse.ingest.inference.timestamp_formats import (
    Timestamp,
    further_format,
    infer_format,
    timestamp_sql,
)
from duckbourse.ingest.inference.timestamps import TYPED_INSTANT, TYPED_LOCAL
from duckbourse.ingest.inference.wide import ROW
from duckbourse.ingest.lines import ESCAPED, TextFile
from duckbourse.ingest.schema import LINE_RULES, NO_NUMBER, OPEN_QUOTE, PRICES, RULES, WHY, Kind
from duckbourse.ingest.tables import FILE_NAME, VendorTable, forget_rejects, reading
from duckbourse.warehouse import quoted

LOOKED_AT = 200
# rows that are shown of those that break a rule
SHOWN = 3
# The range of Python's datetime, less a day at either end for conversions between zones.
DATED = "between timestamp '0001-01-02' and timestamp '9999-12-30'"
# 20240102.0, from a column of numbers with a gap
FLOAT_DATE = re.compile(r"\s*(\d{8})\.0+\s*")
WHOLE_NUMBER = re.compile(r"[-+]?[0-9]+")
# No stock, index or currency is quoted in whole prices from LARGE on that are all multiples of
# ROUND, or from HUGE on. Bitcoin in won is above LARGE, in multiples of a thousand.
LARGE, HUGE, ROUND = 1e8, 1e9, 1e5


@dataclass(frozen=True)
class Columns:
    """The vendor's columns: used, used as numbers, and unused."""

    roles: dict[Role, str]
    numbers: tuple[str, ...]
    unused: tuple[str, ...]
    # if the columns alone decide it
    kind: Kind | None
    # roles without a column, with the unused columns that look like them
    missed: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, role: Role) -> bool:
        return role in self.roles


@dataclass(frozen=True)
class Rows:
    """
    The rows of a file, in `table`. `relation` selects them with `place`, the number of the parsed
    row, and `source_row`, its number in the file, which counts rejected lines too.
    """

    vendor: VendorTable
    columns: Columns
    timestamp: Timestamp
    table: str
    relation: str
    read: int
    kept: int
    rejected: int
    # timestamps that are not whole minutes
    off_minute: int
    # the offset of the timestamps, if all have the same
    offset: str | None
    # how timestamps and numbers are written, if the whole file decided it
    notes: tuple[str, ...] = ()
    broken: tuple[BrokenRule, ...] = ()

    @property
    def file(self) -> VendorFile:
        """The file that they are from."""
        return self.vendor.file

    @property
    def unreadable(self) -> int:
        """The number of rows that could not be typed and lines that could not be parsed."""
        return self.read - self.kept


def usable_columns(con: duckdb.DuckDBPyConnection, table: VendorTable) -> Columns:
    """Return the roles of the columns, or raise BadInput if a required one is missing."""
    file, options = table.file, table.file.options
    # texts that may contain the symbol
    traded = [table.symbol or file.stem, file.stem]
    names = list(table.columns)
    have = "its columns are " + ", ".join(names)
    try:
        roles = infer_roles(names, options.columns, traded)
        if Role.VOLUME not in roles and Role.SYMBOL in roles:
            # for ETHUSDT, the volume is the one in ETH
            symbols = first_texts(con, table, roles[Role.SYMBOL])[:1]
            roles = infer_roles(names, options.columns, [*traded, *symbols])
    except KeyError as error:
        raise BadInput(
            f"{file} has no column {error.args[0]!r}; {have}", "correct `columns` in the mapping"
        ) from error
    if len(names) == 1:
        # a note of one word, such as "hi", which may also be the name of a price
        raise NotBars(
            f"{file} has only one column, {names[0]!r}",
            "bars have a date and a close; set `delimiter` in a mapping if the file separates them",
        )
    if Role.EXCHANGE not in {*roles, *options.columns}:
        free = {normalized(name): name for name in reversed(names) if name not in roles.values()}
        for candidate in MAY_BE_EXCHANGES:
            if candidate in free and are_codes(first_texts(con, table, free[candidate])):
                roles[Role.EXCHANGE] = free[candidate]
                break
    if Role.CLOSE not in roles and Role.ADJUSTED_CLOSE not in roles:
        # with other prices, or a name like it, it is bars, whose vendor has renamed a column
        others = roles.keys() & {Role.OPEN, Role.HIGH, Role.LOW}
        renamed = alike(Role.CLOSE, [name for name in names if name not in roles.values()])
        refusal = BadInput if others or renamed else NotBars
        raise refusal(
            f"{file} has no close; {have}", "name its column in a mapping: columns.close = '…'"
        )
    if Role.TIMESTAMP not in roles:
        raise BadInput(
            f"{file} has no date or timestamp; {have}",
            "name its column in a mapping: columns.timestamp = '…'",
        )
    bars = [Role(price) for price in PRICES]
    kind = options.kind
    if kind is None and is_bhavcopy(names):
        kind = Kind.DAILY
    if kind is None and Role.ADJUSTED_CLOSE in roles and not set(bars[:3]) & set(roles):
        kind = Kind.ADJUSTED_CLOSE
    if kind is Kind.ADJUSTED_CLOSE:
        roles.setdefault(Role.ADJUSTED_CLOSE, roles.get(Role.CLOSE, ""))
        unneeded = {*bars, Role.VOLUME, Role.BAR_LABEL}
        numbers = [Role.ADJUSTED_CLOSE]
    else:
        missing = [role.value for role in bars if role not in roles]
        if missing:
            which = ", ".join(f"columns.{name} = '…'" for name in missing)
            if missing == [Role.CLOSE.value] and Role.ADJUSTED_CLOSE in roles:
                adjusted = roles[Role.ADJUSTED_CLOSE]
                which = f"columns.close = '{adjusted}' if open, high and low are adjusted as well"
            raise BadInput(
                f"{file} has no {', '.join(missing)}; {have}",
                f"set {which} in a mapping, or pass --kind adjusted_close if its close is adjusted"
                " for splits and dividends",
            )
        unneeded = {Role.ADJUSTED_CLOSE}
        numbers = [*bars, Role.VOLUME] if Role.VOLUME in roles else bars
    roles = {role: name for role, name in roles.items() if role not in unneeded}
    unused = tuple(name for name in names if name not in roles.values())
    wanted = [Role.VOLUME, Role.SYMBOL, Role.TIME, Role.BAR_LABEL, Role.EXCHANGE]
    known = {*roles, *options.columns, *unneeded}
    if table.symbol and table.symbol_from != FILE_NAME:
        known.add(Role.SYMBOL)
    missed = {role: alike(role, unused) for role in wanted if role not in known}
    return Columns(
        roles,
        tuple(role.value for role in numbers),
        unused,
        kind,
        {role: found for role, found in missed.items() if found},
    )


def read_rows(con: duckdb.DuckDBPyConnection, table: VendorTable) -> Rows:
    """Fill `vendor_rows` and `rejected`, or raise BadInput if too few rows can be read."""
    file = table.file
    columns = usable_columns(con, table)
    notes: list[str] = []
    with reading(file):
        columns, stamp, marks = typed(con, table, columns, notes)
    offsets = "written - stamp" if stamp.written is not None else "null"
    ranges = [name for name in ("open", "high", "low") if name in columns.numbers]
    [(found, kept, off_minute, fewest, most, rejected, priced)] = con.execute(
        "select count(*), count(*) filter (where rule is null),"
        " count(*) filter (where rule is null and epoch_us(stamp) % 60000000 <> 0),"
        f" min({offsets}) filter (where rule is null),"
        f" max({offsets}) filter (where rule is null),"
        f" {'(select count(*) from reject_errors)' if table.recording else '0'},"
        f" {' + '.join(f'count({name})' for name in ranges) or '1'} from vendor_rows"
    ).fetchall()
    at = f"{ROW}" if table.row_column else "rowid + 1"
    rows_table = "vendor_rows"
    relation = f"(select *, rowid + 1 as place, {at} as source_row from vendor_rows)"
    if rejected and table.text:
        rejected = keep_rejected(con, table.text)
        number_rows(con, at)
        rows_table = relation = "numbered"
    rows = Rows(
        vendor=table,
        columns=columns,
        timestamp=stamp,
        table=rows_table,
        relation=relation,
        read=found + rejected,
        kept=kept,
        rejected=rejected,
        off_minute=off_minute,
        offset=str(fewest) if fewest is not None and fewest == most else None,
        notes=tuple(notes),
    )
    if not rows.read:
        raise NoRows(f"{file} has a header but no rows", "ask the vendor for it again")
    if rows.unreadable:
        refuse_other_header(con, rows)
        rows = replace(rows, broken=broken_rules(con, rows))
        refuse_unreadable(rows, marks)
    if not priced:
        raise BadInput(
            f"{file} has no open, high or low in any row",
            "pass --kind adjusted_close if its close is adjusted for splits and dividends",
        )
    if file.options.price_scale is None:
        refuse_fixed_point(con, columns, file)
    return rows


def refuse_fixed_point(con: duckdb.DuckDBPyConnection, columns: Columns, file: VendorFile) -> None:
    """
    Raise BadInput if prices may be counted in small fractions of the currency.

    They may be if all prices of the file are whole numbers, and all of one symbol too large.
    """
    prices = [name for name in columns.numbers if name != "volume"]
    last = prices[-1]
    [(may_be,)] = con.execute(
        f"select coalesce(bool_and({last} = floor({last})) and max({last}) >= {LARGE}, false)"
        " from vendor_rows where rule is null"
    ).fetchall()
    if not may_be:
        return
    found = con.execute(f"""
        select first_price, symbol
        from (
            select
                symbol, arg_min(price, place) as first_price, min(price) as least,
                max(price % {ROUND}) as rest,
                bool_and(bool_and(price = floor(price))) over () as is_whole
            from (
                select symbol, rowid as place, unnest([{", ".join(prices)}]) as price
                from vendor_rows where rule is null
            )
            where price > 0
            group by symbol
        )
        where is_whole and (least >= {HUGE} or (least >= {LARGE} and rest = 0))
        order by symbol limit 1
    """).fetchone()
    if found is None:
        return
    price, symbol = found
    raise BadInput(
        f"{file}: prices such as {price:.0f} of {symbol} are whole numbers and larger than any"
        " quote: they may be counted in billionths",
        f"pass --price-scale 1e-9 (in a mapping price_scale = 1e-9) if {price:.0f} is"
        f" {price / 1e9:.12g}, or --price-scale 1 if it is as written",
    )


def typed(
    con: duckdb.DuckDBPyConnection,
    table: VendorTable,
    columns: Columns,
    notes: list[str],
) -> tuple[Columns, Timestamp, Marks]:
    """
    Fill `vendor_rows`, and return how its timestamps and numbers are written.

    The first rows decide that. If they do not, or if the format changes further down, the whole
    file is searched and the rows are read once more.
    """
    file, options = table.file, table.file.options
    stamp = typed_timestamp(table, columns)
    every = first = ""
    if stamp is None:
        columns, text, sample = timestamp_text(con, table, columns)
        every = f"select {text} as found from ({table.rows}) as vendor"
        if not sample:
            raise NoRows(f"{file} has no row with a date", "ask the vendor for it again")
        written = infer_format(con, every, sample, file)
        stamp = timestamp_sql(text, [written])
        first = sample[0]
    marks = stated_marks(options)
    is_decided = marks is not None
    if marks is None and head_may_be_thousands(con, table, columns):
        texts = number_texts(con, table, columns, first)
        marks = infer_marks(texts)
        if marks is None:
            refuse_two_readings(texts, file)
        is_decided = True
    marks = marks or Marks()
    while True:
        if table.recording:
            forget_rejects(con)
        con.execute(rows_sql(table, columns, stamp, marks))
        count, stamps, numbers, odd = wrong_counts(con, columns)
        if stamps and stamp.formats and options.date_format is None:
            further = further_format(con, every, stamp, count, stamps, file.known_at)
            if further is not None:
                stamp = timestamp_sql(stamp.text, (*stamp.formats, further))
                continue
        if not is_decided and (numbers or (odd and whole_head(con, table, columns))):
            is_decided = True
            texts = number_texts(con, table, columns, first)
            found = infer_marks(texts)
            if found is None and not numbers:
                refuse_two_readings(texts, file)
            if found not in (None, marks):
                marks = found or marks
                continue
        break
    if len(stamp.formats) > 1:
        notes.append("timestamps are written as " + " and as ".join(f.name for f in stamp.formats))
    if marks.decimal == "," and options.decimal is None:
        notes.append(marks.note)
    return columns, stamp, marks


def wrong_counts(con: duckdb.DuckDBPyConnection, columns: Columns) -> tuple[int, int, int, int]:
    """Return the counts of rows, unreadable timestamps, unreadable numbers, fractional prices."""
    stamp = list(RULES).index("unreadable_timestamp")
    price = "close" if "close" in columns.numbers else "adjusted_close"
    [counts] = con.execute(
        f"select count(*), count(*) filter (where rule = {stamp}),"
        f" count(*) filter (where rule > {stamp}),"
        f" count(*) filter (where {price} <> floor({price})) from vendor_rows"
    ).fetchall()
    return counts


def text_columns(table: VendorTable, columns: Columns) -> list[str]:
    """Return the price columns that are text."""
    prices = [columns.roles[Role(number)] for number in columns.numbers if number != "volume"]
    return [name for name in prices if table.columns[name] == "VARCHAR"]


def head_may_be_thousands(
    con: duckdb.DuckDBPyConnection, table: VendorTable, columns: Columns
) -> bool:
    """Return whether the first prices all have three digits after a point, or are whole."""
    prices = [
        bare_number(text)
        for name in text_columns(table, columns)
        for text in first_texts(con, table, name)
    ]
    point, whole = re.compile(form("either", ".")), re.compile(WHOLE)
    return any(point.fullmatch(text) for text in prices) and all(
        point.fullmatch(text) or whole.fullmatch(text) for text in prices
    )


def whole_head(con: duckdb.DuckDBPyConnection, table: VendorTable, columns: Columns) -> bool:
    """Return whether the first prices have neither point nor comma, so that one may follow."""
    return all(
        WHOLE_NUMBER.fullmatch(text)
        for name in text_columns(table, columns)
        for text in first_texts(con, table, name)
    ) and bool(text_columns(table, columns))


def number_texts(
    con: duckdb.DuckDBPyConnection, table: VendorTable, columns: Columns, stamp: str
) -> Texts:
    """
    Return the texts of a file's numbers, and what else shows how they are written.

    `stamp` is the text of the first timestamp.
    """
    prices = text_columns(table, columns)
    volume = columns.roles.get(Role.VOLUME)
    names = [*prices, *([volume] if volume and table.columns[volume] == "VARCHAR" else [])]
    own = columns.roles.get(Role.SYMBOL)
    symbol = as_text(table, own) if own else "''"

    def distinct(wanted: Sequence[str]) -> list[tuple[str, str]]:
        listed = ", ".join(f"trim({quoted_name(name)})" for name in wanted)
        return con.execute(
            f"select distinct coalesce(symbol, ''), found from (select {symbol} as symbol,"
            f" unnest([{listed}]) as found from ({table.rows}) as vendor) where found <> ''"
            " order by all"
        ).fetchall()

    by_symbol: dict[str, list[str]] = {}
    for symbol_text, found in distinct(prices):
        by_symbol.setdefault(symbol_text, []).append(found)
    others = [
        text
        for name in columns.unused
        if table.columns[name] == "VARCHAR"
        for text in first_texts(con, table, name)
    ]
    german = bool(re.match(r"\d{1,2}\.\d{1,2}\.\d{2,4}\b", stamp))
    has_semicolons = table.delimiter == ";" and not re.fullmatch(r"\d{8} \d{6}", stamp)
    return Texts(
        numbers=[found for _, found in distinct(names)],
        prices=by_symbol,
        others=others,
        # without quotes, a comma between columns cannot be decimal
        continental=has_semicolons or (german and (table.delimiter != "," or table.quoted)),
    )


def rows_sql(table: VendorTable, columns: Columns, stamp: Timestamp, marks: Marks) -> str:
    """Return the SQL that reads and types the whole file in one pass."""
    if table.symbol is None:
        vendors = f"nullif({trimmed_sql(as_text(table, columns.roles[Role.SYMBOL]))}, '')"
    else:
        vendors = f"{quoted(table.symbol)}::varchar"
    words = {role: as_text(table, name) for role, name in columns.roles.items()}
    fields = {"symbol": symbol_sql(vendors, words)}
    if any(role in columns for role in CONTRACT):
        fields["vendor_symbol"] = vendors
    fields |= place_sql(words)
    fields |= {"stamp_text": stamp.text, "stamp_value": stamp.value}
    if table.row_column:
        fields[table.row_column] = table.row_column
    if stamp.written is not None:
        fields["written_value"] = stamp.written
    if Role.BAR_LABEL in columns:
        fields["bar_label"] = f"lower({as_text(table, columns.roles[Role.BAR_LABEL])})"
    for number in columns.numbers:
        column = columns.roles[Role(number)]
        fields[f"{number}_text"] = quoted_name(column)
        fields[f"{number}_value"] = value_sql(table, column, number, marks)
    typed = ", ".join(f"{sql} as {name}" for name, sql in fields.items())
    passed = [name for name in fields if not name.endswith("_value")]
    # some vendors write NaN for a missing number; infinity is not a price
    finite = [f"case when isfinite({n}_value) then {n}_value end as {n}" for n in columns.numbers]
    # nor are infinity and impossible years timestamps
    times = [name for name in ("stamp", "written") if f"{name}_value" in fields]
    finite += [f"case when stamp_value {DATED} then {name}_value end as {name}" for name in times]
    kept = [*(name for name in passed if not name.endswith("_text")), *times]
    # no CTEs, since DuckDB materializes them
    return f"""
        create or replace temp table vendor_rows as
        select {", ".join([*kept, *columns.numbers])}, {rule_sql(columns)} as rule
        from (
            select {", ".join(passed + finite)}
            from (select {typed} from ({table.recording or table.rows}) as vendor) as typed
        ) as finite
    """


def rule_sql(columns: Columns) -> str:
    """Return SQL for the code of the first rule that a row breaks, NULL if none."""
    missing = quoted("\\s*(" + "|".join(NO_NUMBER) + ")\\s*")
    code = {rule: number for number, rule in enumerate(RULES)}
    contract = ""
    if any(role in columns for role in CONTRACT):
        contract = (
            f"when symbol is null and vendor_symbol is not null then {code['unreadable_contract']}"
        )
    # the common case first: a complete row needs one check. No `in` and no list: DuckDB turns them
    # into joins, which lose the order of the file
    whole = " and ".join(f"{name} is not null" for name in ("symbol", "stamp", *columns.numbers))
    wrong = "\n".join(
        f"when {number} is null and {number}_text is not null"
        f" and not regexp_full_match({number}_text::varchar, {missing}, 'i')"
        f" then {code[f'unreadable_{number}']}"
        for number in columns.numbers
    )
    return f"""(case when {whole} then null
        {contract}
        when symbol is null then {code["no_symbol"]}
        when stamp_text is null or trim(stamp_text) = '' then {code["no_timestamp"]}
        when stamp is null then {code["unreadable_timestamp"]}
        {wrong} end)::utinyint"""


def value_sql(table: VendorTable, column: str, number: str, marks: Marks) -> str:
    """Return SQL for a number as DOUBLE, NULL if it is not a number."""
    name = quoted_name(column)
    is_text = table.columns[column] == "VARCHAR"
    sql = number_sql(name, marks) if is_text else f"try_cast({name} as double)"
    options = table.file.options
    scale = options.volume_scale if number == "volume" else options.price_scale
    return scaled_sql(sql, scale or 1)


def scaled_sql(number: str, scale: float) -> str:
    """Return SQL for a number times a scale, by division if that is exact."""
    if scale == 1:
        return number
    whole = round(1 / scale) if scale < 1 else 0
    # 89100000000 / 1e9 is 89.1, but 89100000000 * 1e-9 is 89.10000000000001
    return (
        f"{number} / {float(whole)!r}" if whole and 1 / whole == scale else f"{number} * {scale!r}"
    )


def as_text(table: VendorTable, column: str) -> str:
    """Return SQL for a column as VARCHAR; whole floats (from columns with gaps) get no point."""
    name, kind = quoted_name(column), table.columns[column]
    if kind == "VARCHAR":
        return name
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        whole = f"try_cast({name} as bigint)"
        return f"case when {whole} = {name} then {whole}::varchar else {name}::varchar end"
    return f"{name}::varchar"


def timestamp_text(
    con: duckdb.DuckDBPyConnection, table: VendorTable, columns: Columns
) -> tuple[Columns, str, list[str]]:
    """
    Return the columns, the SQL for a timestamp's text, and the first of these texts.

    A `time` column that is not needed is removed from the roles.
    """
    column = columns.roles[Role.TIMESTAMP]
    text = as_text(table, column)
    time = columns.roles.get(Role.TIME)
    sample = first_texts(con, table, column)
    if any(FLOAT_DATE.fullmatch(stamp) for stamp in sample):
        text = f"regexp_replace({text}, {quoted(f'^{FLOAT_DATE.pattern}$')}, '\\1')"
        sample = [FLOAT_DATE.sub(r"\1", stamp) for stamp in sample]
    if time is None:
        return columns, text, sample
    clocks = first_texts(con, table, time)
    if any(":" in stamp for stamp in sample) or not clocks:
        roles = dict(columns.roles)
        del roles[Role.TIME]
        return replace(columns, roles=roles, unused=(*columns.unused, time)), text, sample
    clock = as_text(table, time)
    if all(value.isdigit() for value in clocks):
        # 91500 is 09:15:00 without its leading zero, as spreadsheets write it
        width = 4 if max(map(len, clocks)) <= 4 else 6
        clock = f"lpad(trim({clock}), {width}, '0')"
        clocks = [value.zfill(width) for value in clocks]
    text = f"trim({text}) || ' ' || trim({clock})"
    return columns, text, [f"{d} {t}" for d, t in zip(sample, clocks, strict=False)]


def typed_timestamp(table: VendorTable, columns: Columns) -> Timestamp | None:
    """Return the timestamp of a column with a date or timestamp type, or None."""
    name = columns.roles[Role.TIMESTAMP]
    kind, text = table.columns[name], as_text(table, name)
    if Role.TIME in columns or table.file.options.date_format is not None:
        return None
    if kind.startswith("TIMESTAMPTZ") or "WITH TIME ZONE" in kind:
        return Timestamp(
            TYPED_INSTANT, text, f"timezone('UTC', try_cast({quoted_name(name)} as timestamptz))"
        )
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Timestamp(TYPED_LOCAL, text, f"try_cast({quoted_name(name)} as timestamp)")
    return None


def first_texts(con: duckdb.DuckDBPyConnection, table: VendorTable, column: str) -> list[str]:
    """Return the first values of a column as text, without missing ones."""
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


def keep_rejected(con: duckdb.DuckDBPyConnection, text: TextFile) -> int:
    """Keep the lines that could not be parsed in `rejected`, by their place among the records."""
    errors = dict(
        con.execute(
            "select line::bigint, arg_min(error_type::varchar, byte_position) from reject_errors"
            " group by all"
        ).fetchall()
    )
    forget_rejects(con)
    found = [
        (
            record.row - 1,
            OPEN_QUOTE if record.line in text.broken else LINE_RULES[errors[record.place]],
            record.text.encode(errors=ESCAPED).decode(errors="backslashreplace"),
        )
        for record in text.records_at(errors)
    ]
    columns = [list(column) for column in zip(*found, strict=True)]
    con.execute(
        "create or replace temp table rejected as select unnest($1::bigint[]) as place,"
        " unnest($2::varchar[]) as rule, unnest($3::varchar[]) as line",
        columns,
    )
    return len(found)


def number_rows(con: duckdb.DuckDBPyConnection, at: str) -> None:
    """Create `numbered`, the rows at `at` with numbers that count rejected lines too."""
    con.execute(f"""
        create or replace temp table numbered as
        with before as (
            select
                place - row_number() over (order by place) + 1 as from_row,
                row_number() over (order by place) as lines
            from rejected
        ),
        steps as (select from_row, max(lines) as lines from before group by from_row),
        places as (select *, rowid + 1 as place, {at} - 1 as at_row from vendor_rows)
        select
            places.* exclude (at_row),
            at_row + 1 + coalesce(steps.lines, 0) as source_row
        from places asof left join steps on places.at_row >= steps.from_row
        order by place
    """)


def unreadable_sql(rows: Rows) -> str:
    """
    Return the query for source_row, rule and content (as JSON) of unreadable rows.

    It reads the file again, since there are rarely any.
    """
    rules = " ".join(f"when {code} then {quoted(rule)}" for code, rule in enumerate(RULES))
    # columns by name, since a column could hide an alias of the whole row
    fields = ", ".join(f"{quoted(name)}: {quoted_name(name)}" for name in rows.vendor.columns)
    select = f"""
        select wrong.source_row, case wrong.rule {rules} end as rule, texts.content
        from (
            select row_number() over () as place, to_json({{{fields}}})::varchar as content
            from ({rows.vendor.rows})
        ) as texts
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


def broken_rules(con: duckdb.DuckDBPyConnection, rows: Rows) -> tuple[BrokenRule, ...]:
    """Return each rule that rows break, with their number and the first of them."""
    found = con.execute(
        f"select rule, count(*), min(source_row, {SHOWN}), arg_min(content, source_row, {SHOWN})"
        f" from ({unreadable_sql(rows)}) group by rule order by min(source_row), rule"
    ).fetchall()
    lines = lines_of(rows, (row for *_, numbers, _ in found for row in numbers))
    return tuple(
        BrokenRule(
            rule,
            WHY[rule],
            count,
            tuple(
                BrokenRow(row, lines.get(row), *field_of(rows, rule, content), content)
                for row, content in zip(numbers, contents, strict=True)
            ),
        )
        for rule, count, numbers, contents in found
    )


def lines_of(rows: Rows, numbers: Iterable[int]) -> dict[int, int]:
    """Return the line of each of these rows, if the file is text."""
    return rows.vendor.text.lines_of(numbers) if rows.vendor.text else {}


def field_of(rows: Rows, rule: str, content: str) -> tuple[str | None, str | None]:
    """Return the vendor's column that breaks a rule, and its text in this row."""
    role = rule.removeprefix("unreadable_").removeprefix("no_")
    field = rows.columns.roles.get(Role(role)) if role in set(Role) else None
    if field is None:
        return None, None
    names = [field]
    if role == Role.TIMESTAMP and Role.TIME in rows.columns:
        names.append(rows.columns.roles[Role.TIME])
    values = [json.loads(content).get(name) for name in names]
    return " and ".join(names), " ".join(str(value) for value in values if value is not None)


def refuse_other_header(con: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Raise BadInput if a later row names the columns in another order."""
    table = rows.vendor
    if table.text is None or table.file.options.names:
        return
    names = list(table.columns)
    before = {role: names.index(name) for role, name in infer_roles(names, {}).items()}
    # few of the unreadable rows contain a column name
    known = ", ".join(map(quoted, sorted(KNOWN)))
    words = "lambda word: lower(regexp_replace(word, '[^A-Za-z0-9]', '', 'g'))"
    found = con.execute(
        f"select source_row, content from ({unreadable_sql(rows)})"
        " where rule in ('unreadable_timestamp', 'no_timestamp') and list_has_any("
        f"list_transform(json_extract_string(content, '$.*'), {words}), [{known}])"
        " order by source_row"
    ).fetchall()
    for row, content in found:
        here = [(name or "").strip() for name in json.loads(content).values()]
        if list(map(normalized, here)) == list(map(normalized, names)):
            continue
        after = {role: here.index(name) for role, name in infer_roles(here, {}).items()}
        if len(after) < MIN_NAMES or not (set(before.items()) ^ set(after.items())):
            continue
        line = table.text.lines_of([row])[row]
        raise BadInput(
            f"{table.file}: line {line:,} is another header, whose columns differ:"
            f" {', '.join(here)[:120]}",
            "move the lines from there on to a file of their own, in another folder under the same"
            " name, and ingest both",
        )


def refuse_unreadable(rows: Rows, marks: Marks) -> None:
    """Raise UnreadableRows if all rows, or more than allowed, cannot be read."""
    file, options = rows.file, rows.file.options
    first = rows.broken[0].rows[0]
    share = 100 * rows.unreadable / rows.read
    begins = f"row {first.row} is {rows.broken[0].rule}: {first.content[:120]}"
    if not rows.kept:
        message = f"{file}: none of its {rows.read:,} rows can be read; {begins}"
        raise UnreadableRows(message, remedy_of(rows, marks), rows.broken)
    if share > options.max_unreadable_pct:
        allowed = min(100, math.ceil(share))
        raise UnreadableRows(
            f"{file}: {rows.unreadable:,} of its {rows.read:,} rows cannot be read, more than"
            f" {options.max_unreadable_pct:g}%; {begins}",
            f"{remedy_of(rows, marks)}; if the file was cut short, ask for it again first;"
            f" --max-unreadable-pct {allowed} delivers the rest",
            rows.broken,
        )


def remedy_of(rows: Rows, marks: Marks) -> str:
    """Return the remedy for the most common kind of unreadable rows."""
    worst = max(rows.broken, key=lambda one: one.count)
    rule = worst.rule
    if rule == "no_symbol":
        return "pass --symbol, or set columns.symbol = '…' in a mapping"
    if rule == "unreadable_timestamp" and rows.file.options.date_format is not None:
        return "correct date_format in the mapping"
    number = rule.removeprefix("unreadable_")
    if number in rows.columns.numbers:
        text = worst.rows[0].value or ""
        if marks == Marks() and (remedy := two_readings(text)):
            return remedy
        if number == "volume":
            return "set columns.volume = '' in a mapping to leave volume out, or to another column"
        return f"correct that column, or name another in a mapping: columns.{number} = '…'"
    return "correct those lines in the file"
