"""
JSON documents, such as the answers of brokers and exchanges, as tables.

`SHAPES` lists where a document holds its bars and in which form; a further vendor is one more line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import duckdb

from duckbourse.errors import BadInput, NotBars
from duckbourse.ingest.calendars import calendars, closed_days
from duckbourse.ingest.files import DAMAGED, VendorFile
from duckbourse.ingest.inference.columns import (
    KLINE,
    NAMES,
    Role,
    infer_roles,
    normalized,
    quoted_name,
)
from duckbourse.ingest.inference.dialect import distinct
from duckbourse.ingest.options import Options
from duckbourse.warehouse import quoted

CANDLE = ("timestamp", "open", "high", "low", "close", "volume", "oi")
TURNOVER = (*CANDLE[:6], "turnover")
KRAKEN = (*CANDLE[:5], "vwap", "volume", "trades")
# The fields of bare lists, by their length: those of ccxt and of Binance.
BY_LENGTH = {6: CANDLE[:6], 12: KLINE}
# Other orders of the same six fields: Coinbase, Bitfinex.
OTHER_ORDERS = (
    ("timestamp", "low", "high", "open", "close", "volume"),
    ("timestamp", "open", "close", "high", "low", "volume"),
)


@dataclass(frozen=True)
class Shape:
    """
    One way in which a document can hold bars.

    place       a JSON path; `$.*` is the first member that holds bars
    form        lists (a list of fields per bar), arrays (one per column), records (objects), dated
                (objects keyed by timestamp)
    fields      for lists, their fields; for arrays, the required ones, the timestamp first
    beside      a path that must exist as well
    vendor      the vendor of this shape; `calendar` and `bar_label` follow from it
    each        one list per symbol, keyed by symbol
    inner       for arrays, the path below `place` of all columns except the timestamps; below
                `adjusted` are closes that are adjusted for dividends too
    adjusts     whose bars of this shape are adjusted for splits, '' if that is not certain
    """

    place: str
    form: Literal["lists", "arrays", "records", "dated"]
    fields: tuple[str, ...] = ()
    beside: str | None = None
    vendor: str | None = None
    calendar: str | None = None
    bar_label: str | None = None
    each: bool = False
    inner: str = ""
    adjusted: str = ""
    adjusts: str = ""


SHAPES = (
    Shape("$.data.candles", "lists", CANDLE, None, "Kite or Upstox", "XNSE", "start"),
    Shape("$.candles", "lists", CANDLE, "$.s", "Fyers", "XNSE", "start"),
    Shape("$.candles", "lists", CANDLE, None, "Kite", "XNSE", "start"),
    Shape("$.data", "lists", CANDLE[:6], "$.status", "Angel One", "XNSE", "start"),
    Shape("$.data", "lists", CANDLE[:6], "$.code", "OKX", "ALWAYS", "start"),
    Shape("$.result.list", "lists", TURNOVER, "$.retCode", "Bybit", "ALWAYS", "start"),
    Shape("$.result", "lists", KRAKEN, "$.result.last", "Kraken", "ALWAYS", "start", each=True),
    *(
        Shape(place, "arrays", (stamp, "close"), None, "Dhan", "XNSE", "start")
        for place in ("$.data", "$")
        for stamp in ("timestamp", "start_Time", "start_time")
    ),
    Shape(
        *("$.chart.result[0]", "arrays", ("timestamp", "close"), None, "Yahoo", None, "start"),
        inner=".indicators.quote[0]",
        adjusted=".indicators.adjclose[0]",
        adjusts="as in all of Yahoo's charts",
    ),
    # TradingView's data feeds, Finnhub
    Shape("$", "arrays", ("t", "c"), "$.s"),
    Shape("$", "lists"),
    Shape("$.bars", "records", (), "$.next_page_token", "Alpaca", None, "start", each=True),
    Shape("$.bars", "records", (), "$.next_page_token", "Alpaca", None, "start"),
    Shape("$.bars", "records", each=True),
    *(
        Shape(place, "records")
        for place in ("$", "$.data", "$.results", "$.values", "$.historical", "$.bars")
    ),
    # Alpha Vantage's `Time Series (Daily)`; pandas' orient="index"
    Shape("$.*", "dated"),
    Shape("$", "dated"),
)

# Where a document may name the symbol of its bars, and under which keys.
ABOUT = ("", '."meta"', '."Meta Data"', '."metadata"', '."meta_data"')
SYMBOL_KEYS = (*NAMES[Role.SYMBOL][:4], "sym", "stocksymbol", "pair", "instrument")
STAMP_KEY = r"(\d{4}-\d\d-\d\d([ T].*)?|\d{8}|\d{10}|\d{13})"

# The first of Dhan's two APIs counts from 1970 in some programs, from 1980 in India in others.
TWO_EPOCHS = ("start_Time", "start_time")
SECONDS_TO_1980 = 315_532_800
# With this share of days without a session, a reading is wrong; up to FEW_CLOSED may be exceptions.
MANY_CLOSED, FEW_CLOSED = 0.2, 0.05
MIN_DAYS = 5
# How many keys of an object are inspected.
MOST_KEYS = 20

# Where vendors put error messages and codes, the most specific place first.
MESSAGES = (
    *("$.errorMessage", "$.remarks.error_message", "$.remarks.errorMessage", "$.errors[0].message"),
    *("$.error.message", "$.chart.error.description", '$."Error Message"', "$.remarks"),
    *("$.message", "$.msg", "$.error[0]", "$.error", "$.errors[0]", "$.detail"),
    *("$.Note", "$.Information"),
)
CODES = (
    *("$.errorCode", "$.remarks.error_code", "$.remarks.errorCode", "$.errors[0].errorCode"),
    *("$.errorcode", "$.error_code", "$.error_type", "$.code", "$.retCode"),
)
SUCCESS = ("", "success", "ok", "true", "none", "null", "200", "delayed")
# Values of an error field that mean no error.
NO_ERROR = (*SUCCESS, "false", "0")


@dataclass(frozen=True)
class Document:
    """The bars of a document; `rows` selects them as text under the vendor's names."""

    shape: Shape
    rows: str
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    # the symbol and where it was found, unless each row has its own
    symbol: str | None = None
    symbol_from: str = ""
    # what the prices are adjusted for, and how we know
    adjusted: str = ""


def document(con: duckdb.DuckDBPyConnection, file: VendorFile) -> Document:
    """Return the bars of a JSON document of a known shape, or raise BadInput."""
    load(con, file)
    for known in SHAPES:
        shape = placed(con, known)
        if shape is None:
            continue
        if empty(con, shape):
            refuse_failure(con, file)
        if shape.form == "lists":
            found = of_lists(con, shape, file)
        elif shape.form == "arrays":
            found = of_arrays(con, shape, file)
        else:
            found = of_records(con, shape)
        return with_metadata(con, found, shape, file.options)
    refuse_failure(con, file)
    raise NotBars(
        f"{file} is JSON of an unknown shape: {described(con)}",
        "write its bars as a list of objects, [{date: …, open: …, high: …, low: …, close: …,"
        " volume: …}, …], or in one of the shapes that data/README.md lists",
    )


def load(con: duckdb.DuckDBPyConnection, file: VendorFile) -> None:
    """Load a JSON file, or one with an object or list per line, into the table `document`."""
    reason: duckdb.Error
    try:
        # some begin with a byte order mark
        con.execute(
            "create or replace temp table content as"
            f" select ltrim(content, chr(65279)) as content from read_text({quoted(file.path)})"
        )
        con.execute(
            "create or replace temp table document as select content::json as doc from content"
        )
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        reason = error
    else:
        # a single record may be a document by itself
        if is_record(con):
            con.execute("update document set doc = json_array(doc)")
        return
    wrong = None
    if not isinstance(reason, duckdb.InvalidInputException):
        [(first, wrong)] = con.execute(
            "create or replace temp table lines as select row_number() over () as line, text from"
            " (select unnest(string_split(content, chr(10))) as text from content);"
            "delete from lines where trim(text, ' \t\r') = '';"
            "select json_valid(arg_min(text, line)), min(line) filter (where not json_valid(text))"
            " from lines"
        ).fetchall()
        if first and wrong is None:
            con.execute(
                "create or replace temp table document as select"
                " ('[' || string_agg(text, ',' order by line) || ']')::json as doc from lines"
            )
            return
        wrong = wrong if first else None
    message = str(reason).split("  Input:")[0].removeprefix("Conversion Error: ").splitlines()[0]
    raise BadInput(
        f"{file} is not JSON: {f'line {wrong} is not' if wrong else message}",
        DAMAGED,
    ) from reason


def is_record(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the document is a single bar: one object with a timestamp and a close."""
    keys = keys_of(con, "$")
    roles = infer_roles(keys, {}) if keys else {}
    if not {Role.TIMESTAMP, Role.OPEN, Role.CLOSE} <= roles.keys():
        return False
    return all(
        kind_of(con, within("$", roles[role])) not in ("ARRAY", "OBJECT", None)
        for role in (Role.TIMESTAMP, Role.OPEN, Role.CLOSE)
    )


def within(place: str, key: str) -> str:
    """Return the path to a key of an object."""
    escaped = key.replace('"', '\\"')
    return f'{place}."{escaped}"'


def kind_of(con: duckdb.DuckDBPyConnection, place: str) -> str | None:
    """Return the JSON type at a path of the document, or None if the path does not exist."""
    [(kind,)] = con.execute(f"select json_type(doc, {quoted(place)}) from document").fetchall()
    return str(kind) if kind is not None else None


def text_of(con: duckdb.DuckDBPyConnection, place: str) -> str:
    """Return the text at a path of the document, or ''."""
    [(text,)] = con.execute(f"select trim(doc ->> {quoted(place)}) from document").fetchall()
    return text or ""


def described(con: duckdb.DuckDBPyConnection) -> str:
    """Describe a document in words."""
    kind = kind_of(con, "$")
    if kind != "OBJECT":
        return "a list" if kind == "ARRAY" else "a single value"
    keys = keys_of(con, "$")
    return "an object of " + ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")


def placed(con: duckdb.DuckDBPyConnection, shape: Shape) -> Shape | None:
    """Return the shape with the place of the document's bars, or None if it does not match."""
    if kind_of(con, shape.beside or "$") is None:
        return None
    if shape.place.endswith(".*"):
        top = shape.place.removesuffix(".*")
        # a document keyed by date has a key per day, none of which matches
        places = [within(top, key) for key in keys_of(con, top)[:MOST_KEYS]]
        return next(
            (replace(shape, place=at) for at in places if holds(con, replace(shape, place=at))),
            None,
        )
    return shape if holds(con, shape) else None


def holds(con: duckdb.DuckDBPyConnection, shape: Shape) -> bool:
    """Return whether a document has bars of this shape at its place."""
    outer = kind_of(con, shape.place)
    element = "ARRAY" if shape.form == "lists" else "OBJECT"
    if shape.form == "arrays":
        stamps = kind_of(con, f"{shape.place}.{shape.fields[0]}")
        wanted = shape.fields[1:]
        return (
            outer == "OBJECT"
            and stamps == "ARRAY"
            and set(keys_of(con, shape.place + shape.inner)).issuperset(wanted)
        )
    if shape.each:
        return outer == "OBJECT" and any(
            kind_of(con, f"{within(shape.place, key)}[0]") == element
            for key in keys_of(con, shape.place)[:MOST_KEYS]
        )
    if shape.form == "dated":
        keys = keys_of(con, shape.place)[:1] if outer == "OBJECT" else []
        return bool(
            keys
            and re.fullmatch(STAMP_KEY, keys[0])
            and kind_of(con, within(shape.place, keys[0])) == "OBJECT"
        )
    first = kind_of(con, f"{shape.place}[0]")
    if shape.form == "lists":
        # an answer of a known vendor may be empty
        return bool(outer == "ARRAY" and (first == "ARRAY" or (first is None and shape.vendor)))
    return outer == "ARRAY" and first == "OBJECT"


def empty(con: duckdb.DuckDBPyConnection, shape: Shape) -> bool:
    """Return whether the list of bars exists and is empty."""
    place = f"{shape.place}.{shape.fields[0]}" if shape.form == "arrays" else shape.place
    return kind_of(con, place) == "ARRAY" and kind_of(con, f"{place}[0]") is None


def with_metadata(
    con: duckdb.DuckDBPyConnection, found: Document, shape: Shape, options: Options
) -> Document:
    """Return the bars with what the document states about symbol and adjustment."""
    adjusted = f"for splits ({shape.adjusts})" if shape.adjusts else ""
    # the objects around the bars, nearest first
    parts = shape.place.split(".") if '"' not in shape.place else ["$", ""]
    around = [".".join(parts[: at + 1]) for at in range(len(parts))][::-1]
    if shape.form != "arrays":
        around = around[1:] or ([] if len(parts) > 1 else around)
    symbol, symbol_from = found.symbol, found.symbol_from
    try:
        by_row = Role.SYMBOL in infer_roles(found.columns, options.columns)
    except KeyError:
        # reported later, with the list of columns
        by_row = False
    for place in around:
        if kind_of(con, place) != "OBJECT":
            continue
        for about in ABOUT:
            keys = keys_of(con, place + about)
            if not (symbol or by_row):
                symbol, symbol_from = stated_symbol(con, place + about, keys)
            if not about and "adjusted" in keys and text_of(con, f"{place}.adjusted") == "true":
                adjusted = "for splits (it has `adjusted`: true)"
    return replace(found, symbol=symbol, symbol_from=symbol_from, adjusted=adjusted)


def stated_symbol(
    con: duckdb.DuckDBPyConnection, place: str, keys: Sequence[str]
) -> tuple[str | None, str]:
    """Return the symbol that an object states, and under which key."""
    by = {normalized(key): key for key in reversed(keys)}

    def value_of(name: str) -> str:
        at = within(place, by[name]) if name in by else ""
        return text_of(con, at) if at and kind_of(con, at) == "VARCHAR" else ""

    for name in SYMBOL_KEYS:
        if symbol := value_of(name):
            return symbol, by[name]
    # Alpha Vantage's pairs of currencies
    if value_of("fromsymbol") and value_of("tosymbol"):
        return value_of("fromsymbol") + value_of(
            "tosymbol"
        ), f"{by['fromsymbol']} and {by['tosymbol']}"
    return None, ""


def keys_of(con: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """Return the keys of an object in the document."""
    [(keys,)] = con.execute(f"select json_keys(doc, {quoted(place)}) from document").fetchall()
    return list(keys or [])


def refuse_failure(con: duckdb.DuckDBPyConnection, file: VendorFile) -> None:
    """Raise BadInput with the vendor's message if a document without bars is an error."""
    places, codes = (", ".join(message_sql(at) for at in paths) for paths in (MESSAGES, CODES))
    [(status, message, code, kind)] = con.execute(
        "select lower(coalesce(doc ->> '$.status', doc ->> '$.s', doc ->> '$.success', '')),"
        f" coalesce({places}), coalesce({codes}), json_type(doc) from document"
    ).fetchall()
    if kind != "OBJECT" or (status in SUCCESS and message is None):
        return
    behind = f" ({code})" if code and code != message else ""
    raise BadInput(
        f"{file} is a vendor's error: {message or status}{behind}", "ask the vendor again"
    )


def message_sql(at: str) -> str:
    """Return SQL for the message at a path, NULL if it means success or is a list or object."""
    text = f"trim(doc ->> {quoted(at)})"
    none = ", ".join(map(quoted, NO_ERROR))
    return (
        f"case when json_type(doc, {quoted(at)}) not in ('ARRAY', 'OBJECT')"
        f" and lower({text}) not in ({none}) then {text} end"
    )


def listed(shape: Shape, symbols: Sequence[str] = ()) -> str:
    """Return the query for the elements of a list as `bar`, with the key of each as `name`."""
    if not symbols and shape.form != "dated":
        return (
            f"select null::varchar as name, unnest(from_json(doc -> {quoted(shape.place)},"
            " '[\"json\"]')) as bar from document"
        )
    # a map keeps the order of the document
    entries = (
        f"select unnest(map_entries(from_json(doc -> {quoted(shape.place)},"
        " '\"map(varchar, json)\"'))) as entry from document"
    )
    if shape.form == "dated":
        return f"select entry.key as name, entry.value as bar from ({entries})"
    return (
        "select entry.key as name, unnest(from_json(entry.value, '[\"json\"]')) as bar"
        f" from ({entries}) where json_type(entry.value) = 'ARRAY'"
    )


def symbols_of(con: duckdb.DuckDBPyConnection, shape: Shape) -> list[str]:
    """Return the symbols for which a document has a list each."""
    if not shape.each:
        return []
    return [
        key
        for key in keys_of(con, shape.place)
        if kind_of(con, within(shape.place, key)) == "ARRAY"
    ]


def of_lists(con: duckdb.DuckDBPyConnection, shape: Shape, file: VendorFile) -> Document:
    """Return bars whose fields are identified only by position."""
    symbols = symbols_of(con, shape)
    bars = listed(shape, symbols)
    [(width,)] = con.execute(
        f"select max(json_array_length(bar)) from ({bars}) where json_type(bar) = 'ARRAY'"
    ).fetchall()
    names = file.options.names or shape.fields or BY_LENGTH.get(width)
    if names is None:
        raise BadInput(
            f"{file} is JSON whose lists have {width} fields of unknown meaning",
            "name them in a mapping: names = ['timestamp', 'open', 'high', 'low', 'close', …]",
        )
    if len(set(names)) < len(names):
        raise BadInput(
            f"{file}: two of its fields have the same name", "correct `names` in the mapping"
        )
    if not file.options.names:
        check_order(con, bars, names, file)
        if not shape.vendor and names == CANDLE[:6] and in_milliseconds(con, bars):
            shape = Shape(shape.place, "lists", names, None, "ccxt", None, "start")
        elif not shape.vendor and names == KLINE:
            shape = Shape(shape.place, "lists", names, None, "Binance", "ALWAYS", "start")
    fields = ", ".join(f"bar ->> {at} as {quoted_name(name)}" for at, name in enumerate(names))
    return of_symbols(shape, fields, bars, tuple(names), symbols)


def of_symbols(
    shape: Shape, fields: str, bars: str, names: tuple[str, ...], symbols: Sequence[str]
) -> Document:
    """Return bars, with a symbol in each row if the document has lists of several symbols."""
    if len(symbols) > 1:
        return Document(
            shape, f"select name as symbol, {fields} from ({bars})", (Role.SYMBOL.value, *names)
        )
    rows = f"select {fields} from ({bars})"
    if symbols:
        return Document(shape, rows, names, (), symbols[0], f"key in {shape.place[2:]}")
    return Document(shape, rows, names)


def check_order(
    con: duckdb.DuckDBPyConnection, bars: str, names: Sequence[str], file: VendorFile
) -> None:
    """Raise BadInput if the high is not the highest or the low not the lowest: wrong order."""

    def wrong(order: Sequence[str]) -> str:
        at = {name: f"try_cast(bar ->> {order.index(name)} as double)" for name in CANDLE[1:5]}
        return (
            f"count(*) filter (where {at['high']} < greatest({at['open']}, {at['close']})"
            f" or {at['low']} > least({at['open']}, {at['close']}) or {at['high']} < {at['low']})"
        )

    orders = (names, *OTHER_ORDERS)
    [(count, *wrongs)] = con.execute(
        f"select count(*), {', '.join(wrong(order) for order in orders)} from ({bars})"
    ).fetchall()
    if wrongs[0] <= count / 10:
        return
    better = [order for order, bad in zip(orders[1:], wrongs[1:], strict=True) if not bad]
    example = list(better[0]) if better else ["timestamp", "…"]
    raise BadInput(
        f"{file}: the fields of its lists are not {', '.join(names[:6])}: in {wrongs[0]:,} of"
        f" {count:,} the third is not the highest or the fourth is not the lowest",
        f"name them in a mapping, in their order: names = {example}",
    )


def in_milliseconds(con: duckdb.DuckDBPyConnection, bars: str) -> bool:
    """Return whether lists begin with a count of milliseconds, as those of ccxt do."""
    [(most,)] = con.execute(
        f"select bool_and(regexp_full_match(bar ->> 0, '\\d{{12,13}}(\\.0)?')) from ({bars})"
    ).fetchall()
    return bool(most)


def of_arrays(con: duckdb.DuckDBPyConnection, shape: Shape, file: VendorFile) -> Document:
    """Return bars given as one array per column."""
    stamp = shape.fields[0]
    wanted = ("open", "high", "low", "close", "volume", "o", "h", "l", "c", "v")
    own = set(keys_of(con, shape.place + shape.inner))
    places = {stamp: f"{shape.place}.{stamp}"}
    places |= {key: f"{shape.place}{shape.inner}.{key}" for key in wanted if key in own}
    if shape.adjusted and "adjclose" in keys_of(con, shape.place + shape.adjusted):
        places["adjclose"] = f"{shape.place}{shape.adjusted}.adjclose"
    found = con.execute(
        "select place, json_type(doc, place), json_array_length(doc, place) from document,"
        f" (select unnest({list(places.values())}) as place)"
    ).fetchall()
    kinds = {place: kind for place, kind, _ in found}
    if others := [name for name in places if kinds[places[name]] not in ("ARRAY", "NULL")]:
        raise BadInput(
            f"{file}: {', '.join(others)} should be an array of the same length as {stamp}",
            DAMAGED,
        )
    counts = {place: length for place, _, length in found}
    lengths = {name: counts[place] for name, place in places.items()}
    # for missing columns, such as the volume of an index, vendors give null or an empty array
    places = {name: places[name] for name in places if lengths[name] or not lengths[stamp]}
    if len({lengths[name] for name in places}) > 1:
        counted = ", ".join(f"{name} {lengths[name]}" for name in places)
        raise BadInput(
            f"{file} has arrays of different lengths: {counted}",
            DAMAGED,
        )
    fields = ", ".join(
        f"unnest(from_json(doc -> {quoted(place)}, '[\"varchar\"]'))"
        f" as {quoted_name(Role.TIMESTAMP if name == stamp else name)}"
        for name, place in places.items()
    )
    rows = f"select {fields} from document"
    notes: tuple[str, ...] = ()
    if stamp in TWO_EPOCHS:
        epoch, reason = counted_from(con, rows, file)
        notes = (f"{stamp} counts from {epoch}: {reason}",) if reason else ()
        if epoch == "1980":
            rows = (
                f"select * replace ((try_cast(timestamp as double)::bigint + {SECONDS_TO_1980})"
                f"::varchar as timestamp) from ({rows})"
            )
    if shape.inner:
        # a day without trades has a timestamp only
        any_of = " or ".join(f"{quoted_name(name)} is not null" for name in list(places)[1:])
        rows = f"select * from ({rows}) where {any_of}"
    return Document(shape, rows, (Role.TIMESTAMP.value, *list(places)[1:]), notes)


def counted_from(con: duckdb.DuckDBPyConnection, rows: str, file: VendorFile) -> tuple[str, str]:
    """
    Return the year from which Dhan's first API counts its seconds, and how we know.

    From 1970 it is Unix time; from 1980 it counts from midnight UTC on 1 January, 05:30 in India.
    The wrong reading is off by ten years: later than the document, or on other days of the week.
    """
    if file.options.epoch:
        return file.options.epoch, ""
    shifts = {"1970": 0, "1980": SECONDS_TO_1980}
    days: dict[str, list[date]] = {}
    for year, shift in shifts.items():
        found = con.execute(
            f"select distinct timezone('Asia/Kolkata', to_timestamp(seconds + {shift}))::date"
            f" from (select try_cast(timestamp as double)::bigint as seconds from ({rows}))"
            " where seconds between 0 and 7000000000 order by all"
        ).fetchall()
        days[year] = [day for (day,) in found]
    if not days["1970"]:
        return "1970", ""
    past = [year for year in shifts if days[year][-1] <= file.known_at.date()]
    if len(past) == 1:
        other = next(year for year in shifts if year not in past)
        return past[0], f"counted from {other}, its last day would be {days[other][-1]}"
    closed = {year: closed_days(calendars()["XNSE"], days[year]) for year in shifts}
    count = len(days["1970"])
    for year, other in (("1970", "1980"), ("1980", "1970")):
        if (
            count >= MIN_DAYS
            and closed[year] <= FEW_CLOSED * count
            and closed[other] >= MANY_CLOSED * count
        ):
            return (
                year,
                f"from {other}, {closed[other]} of its {count} days would have had no session",
            )
    raise BadInput(
        f"{file}: start_Time may count from 1970 (its bars are then from {span(days['1970'])}) or"
        f" from 1980 (from {span(days['1980'])})",
        "pass --epoch 1970 or --epoch 1980 (epoch = … in a mapping)",
    )


def span(days: Sequence[date]) -> str:
    """Return the first and last of some days, as text."""
    return f"{days[0]} to {days[-1]}" if len(days) > 1 else f"{days[0]}"


def of_records(con: duckdb.DuckDBPyConnection, shape: Shape) -> Document:
    """Return bars given as objects whose keys are the columns, in a list or by timestamp."""
    symbols = symbols_of(con, shape)
    bars = listed(shape, symbols)
    found = con.execute(
        f"select distinct unnest(json_keys(bar)) as name from (select bar from ({bars}) limit 100)"
        " order by name"
    ).fetchall()
    keys = [name for (name,) in found]
    names = distinct([called(key, keys) for key in keys])
    fields = ", ".join(
        f"json_extract_string(bar, {quoted(within('$', key))}) as {quoted_name(name)}"
        for key, name in zip(keys, names, strict=True)
    )
    if shape.form == "dated":
        rows = f"select name as timestamp, {fields} from ({bars})"
        return Document(shape, rows, (Role.TIMESTAMP.value, *names))
    return of_symbols(shape, fields, bars, names, symbols)


def called(name: str, names: Sequence[str]) -> str:
    """Return a record's column name; beside o, h, l and c, `t` is the time and `T` the symbol."""
    others = {normalized(other) for other in names}
    short = {"o", "h", "l", "c"} <= others and not others & {"timestamp", "date", "datetime"}
    if short and name in ("T", "S") and name.lower() + "ymbol" not in others and "t" in names:
        return Role.SYMBOL.value
    return Role.TIMESTAMP.value if name == "t" and short else name
