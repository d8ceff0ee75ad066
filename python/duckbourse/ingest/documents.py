"""
JSON documents: the answers of brokers and exchanges, as tables.

`SHAPES` says where in a document the bars lie and in which form; a further vendor is a line of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import duckdb

from duckbourse.errors import BadInput, NotBars
from duckbourse.ingest.calendars import calendars, closed_days
from duckbourse.ingest.columns import Role, plain, quoted_name
from duckbourse.ingest.options import Options
from duckbourse.warehouse import quoted

CANDLE = ("timestamp", "open", "high", "low", "close", "volume", "oi")
KLINE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("trades", "taker_base_volume", "taker_quote_volume", "ignore"),
)
TURNOVER = (*CANDLE[:6], "turnover")
# What lists without a vendor's name around them hold, by their length: ccxt's, Binance's.
BY_LENGTH = {6: CANDLE[:6], 12: KLINE}
# Orders in which others write the same six fields: Coinbase, Bitfinex.
OTHER_ORDERS = (
    ("timestamp", "low", "high", "open", "close", "volume"),
    ("timestamp", "open", "close", "high", "low", "volume"),
)


@dataclass(frozen=True)
class Shape:
    """
    One way in which bars lie in a document.

    place       where, as a JSON path
    form        lists (a list of a bar's fields), arrays (one of each column), records (objects)
    fields      of lists, what they hold; of arrays, what must be there: the stamp first
    beside      a path that must be there as well
    vendor      who writes it so, and with that on which calendar and with which label
    """

    place: str
    form: Literal["lists", "arrays", "records"]
    fields: tuple[str, ...] = ()
    beside: str | None = None
    vendor: str | None = None
    calendar: str | None = None
    bar_label: str | None = None


SHAPES = (
    Shape("$.data.candles", "lists", CANDLE, None, "Kite or Upstox", "XNSE", "start"),
    Shape("$.candles", "lists", CANDLE, "$.s", "Fyers", "XNSE", "start"),
    Shape("$.candles", "lists", CANDLE, None, "Kite", "XNSE", "start"),
    Shape("$.data", "lists", CANDLE[:6], "$.status", "Angel One", "XNSE", "start"),
    Shape("$.data", "lists", CANDLE[:6], "$.code", "OKX", "ALWAYS", "start"),
    Shape("$.result.list", "lists", TURNOVER, "$.retCode", "Bybit", "ALWAYS", "start"),
    *(
        Shape(place, "arrays", (stamp, "close"), None, "Dhan", "XNSE", "start")
        for place in ("$.data", "$")
        for stamp in ("timestamp", "start_Time", "start_time")
    ),
    # TradingView's data feeds, Finnhub
    Shape("$", "arrays", ("t", "c"), "$.s"),
    Shape("$", "lists"),
    *(Shape(at, "records") for at in ("$", "$.data", "$.results", "$.values", "$.historical")),
)

# The first of Dhan's two APIs: one program counts from 1970, another from 1980 in India.
TWO_EPOCHS = ("start_Time", "start_time")
SECONDS_TO_1980 = 315_532_800
# Days of which so many were no sessions were none; so few may be the exchange's exceptions.
MANY_CLOSED, FEW_CLOSED = 0.2, 0.05
MIN_DAYS = 5

# What a vendor says went wrong, and by which code; the more exact place first.
SAID = (
    *("$.errorMessage", "$.remarks.error_message", "$.remarks.errorMessage", "$.errors[0].message"),
    *("$.error.message", "$.chart.error.description", '$."Error Message"', "$.remarks"),
    *("$.message", "$.msg", "$.error", "$.Note", "$.Information"),
)
CODES = (
    *("$.errorCode", "$.remarks.error_code", "$.remarks.errorCode", "$.errors[0].errorCode"),
    *("$.errorcode", "$.error_code", "$.error_type", "$.code", "$.retCode"),
)
SUCCESS = ("", "success", "ok", "true", "none", "null")


@dataclass(frozen=True)
class Document:
    """The bars of a document: `rows` selects them as text, by the vendor's names."""

    shape: Shape
    rows: str
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def document(
    con: duckdb.DuckDBPyConnection, path: Path, file: str, options: Options, known_at: datetime
) -> Document:
    """
    Return the bars in a JSON document of one of the shapes we know, or raise BadInput.

    No bar in it is of a day after `known_at`.
    """
    try:
        con.execute(
            "create or replace temp table document as"
            f" select content::json as doc from read_text({quoted(path)})"
        )
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        message = str(error).split("  Input:")[0].removeprefix("Conversion Error: ")
        raise BadInput(
            f"{file} is not JSON: {message.splitlines()[0]}",
            "it is damaged or cut short: copy or download it again",
        ) from error
    for shape in SHAPES:
        if holds(con, shape):
            refuse_failure(con, file)
            if shape.form == "lists":
                return of_lists(con, shape, file, options)
            if shape.form == "arrays":
                return of_arrays(con, shape, file, options, known_at)
            return of_records(con, shape)
    refuse_failure(con, file, no_bars=True)
    raise NotBars(
        f"{file} is JSON of a shape that holds no bars",
        "give a broker's answer as it came (Kite's {data: {candles: […]}}, Dhan's {open: […], …}), "
        "a list of records, or a list of lists",
    )


def holds(con: duckdb.DuckDBPyConnection, shape: Shape) -> bool:
    """Tell whether a document has bars of this shape."""
    inner = {"lists": "[0]", "records": "[0]", "arrays": f".{shape.fields[:1] and shape.fields[0]}"}
    beside = shape.beside or "$"
    [(outer, first, also)] = con.execute(
        f"select json_type(doc, {quoted(shape.place)}),"
        f" json_type(doc, {quoted(shape.place + inner[shape.form])}),"
        f" json_type(doc, {quoted(beside)}) from document"
    ).fetchall()
    if also is None:
        return False
    if shape.form == "lists":
        # a vendor's own answer may hold no bars
        return bool(outer == "ARRAY" and (first == "ARRAY" or (first is None and shape.vendor)))
    if shape.form == "records":
        return bool(outer == "ARRAY" and first == "OBJECT")
    if outer != "OBJECT" or first != "ARRAY":
        return False
    return set(keys_of(con, shape.place)).issuperset(shape.fields)


def keys_of(con: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """Return the keys of an object in the document."""
    [(keys,)] = con.execute(f"select json_keys(doc, {quoted(place)}) from document").fetchall()
    return list(keys or [])


def refuse_failure(con: duckdb.DuckDBPyConnection, file: str, *, no_bars: bool = False) -> None:
    """Raise BadInput with what the vendor says where the document is its error."""
    places = ", ".join(f"nullif(trim(doc ->> {quoted(at)}), '')" for at in SAID)
    codes = ", ".join(f"nullif(trim(doc ->> {quoted(at)}), '')" for at in CODES)
    [(status, said, code, kind)] = con.execute(
        "select lower(coalesce(doc ->> '$.status', doc ->> '$.s', doc ->> '$.success', '')),"
        f" coalesce({places}), coalesce({codes}), json_type(doc) from document"
    ).fetchall()
    fine = status in SUCCESS
    if kind != "OBJECT" or (fine and not no_bars):
        return
    if fine and (said is None or said.lower() in SUCCESS):
        return
    behind = f" ({code})" if code and code != said else ""
    raise BadInput(f"{file} is a vendor's error: {said or status}{behind}", "ask the vendor again")


def listed(place: str) -> str:
    """Return the selection of the elements of a list as `bar`."""
    return f"select unnest(from_json(doc -> {quoted(place)}, '[\"json\"]')) as bar from document"


def of_lists(con: duckdb.DuckDBPyConnection, shape: Shape, file: str, options: Options) -> Document:
    """Return lists of a bar's fields, which have no names but their places."""
    bars = listed(shape.place)
    [(width,)] = con.execute(
        f"select max(json_array_length(bar)) from ({bars}) where json_type(bar) = 'ARRAY'"
    ).fetchall()
    names = options.names or shape.fields or BY_LENGTH.get(width)
    if names is None:
        raise BadInput(
            f"{file} is JSON whose lists have {width} fields, which has no meaning known here",
            "name them in a mapping: names = ['timestamp', 'open', 'high', 'low', 'close', …]",
        )
    if len(set(names)) < len(names):
        raise BadInput(
            f"{file}: a name is given to two of its fields", "mend `names` in the mapping"
        )
    if not options.names:
        check_order(con, bars, names, file)
        if not shape.vendor and names == CANDLE[:6] and in_milliseconds(con, bars):
            shape = Shape(shape.place, "lists", names, None, "ccxt", None, "start")
        elif not shape.vendor and names == KLINE:
            shape = Shape(shape.place, "lists", names, None, "Binance", "ALWAYS", "start")
    fields = ", ".join(f"bar ->> {at} as {quoted_name(name)}" for at, name in enumerate(names))
    return Document(shape, f"select {fields} from ({bars})", tuple(names))


def check_order(con: duckdb.DuckDBPyConnection, bars: str, names: Sequence[str], file: str) -> None:
    """Raise BadInput where what should be a bar's high and low are not: it is another order."""

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
        f"{file}: the fields of its lists are not {', '.join(names[:6])}: of {wrongs[0]:,} of"
        f" {count:,} the third is not the highest or the fourth not the lowest",
        f"name them in a mapping in their order: names = {example}",
    )


def in_milliseconds(con: duckdb.DuckDBPyConnection, bars: str) -> bool:
    """Tell whether lists begin with a count of milliseconds, as ccxt's do."""
    [(most,)] = con.execute(
        f"select bool_and(regexp_full_match(bar ->> 0, '\\d{{12,13}}(\\.0)?')) from ({bars})"
    ).fetchall()
    return bool(most)


def of_arrays(
    con: duckdb.DuckDBPyConnection, shape: Shape, file: str, options: Options, known_at: datetime
) -> Document:
    """Return arrays, one for each column."""
    stamp = shape.fields[0]
    wanted = ("open", "high", "low", "close", "volume", "o", "h", "l", "c", "v")
    keys = keys_of(con, shape.place)
    names = [stamp, *(key for key in wanted if key in keys)]
    told = con.execute(
        "select name, json_type(doc, place), json_array_length(doc, place) from document,"
        f" (select unnest({names}) as name, {quoted(f'{shape.place}.')} || name as place)"
    ).fetchall()
    if others := [name for name, kind, _ in told if kind not in ("ARRAY", "NULL")]:
        raise BadInput(
            f"{file}: {', '.join(others)} should be an array of as many as {stamp} has",
            "it is damaged or cut short: copy or download it again",
        )
    lengths = {name: length for name, _, length in told}
    # of what it does not have, such as an index's volume, a vendor gives null or no elements
    names = [name for name in names if lengths[name] or not lengths[stamp]]
    if len({lengths[name] for name in names}) > 1:
        said = ", ".join(f"{name} {lengths[name]}" for name in names)
        raise BadInput(
            f"{file} has arrays of different lengths: {said}",
            "it is damaged or cut short: copy or download it again",
        )
    fields = ", ".join(
        f"unnest(from_json(doc -> {quoted(f'{shape.place}.{name}')}, '[\"varchar\"]'))"
        f" as {quoted_name(Role.TIMESTAMP if name == stamp else name)}"
        for name in names
    )
    rows = f"select {fields} from document"
    notes: tuple[str, ...] = ()
    if stamp in TWO_EPOCHS:
        epoch, reason = counted_from(con, rows, file, options, known_at)
        notes = (f"{stamp} counts from {epoch}: {reason}",) if reason else ()
        if epoch == "1980":
            rows = (
                f"select * replace ((try_cast(timestamp as double)::bigint + {SECONDS_TO_1980})"
                f"::varchar as timestamp) from ({rows})"
            )
    return Document(shape, rows, (Role.TIMESTAMP.value, *names[1:]), notes)


def counted_from(
    con: duckdb.DuckDBPyConnection, rows: str, file: str, options: Options, known_at: datetime
) -> tuple[str, str]:
    """
    Return from which year Dhan's first API counts its seconds, and how we know.

    From 1970 they are Unix time, from 1980 seconds since its first midnight in UTC, 05:30 in India.
    The other reading is ten years away: after this document was had, or on other days of the week.
    """
    if options.epoch:
        return options.epoch, ""
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
    past = [year for year in shifts if days[year][-1] <= known_at.date()]
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
            return year, f"from {other}, {closed[other]} of its {count} days had no session"
    raise BadInput(
        f"{file}: start_Time may count from 1970 (its bars are then of {span(days['1970'])}) or"
        f" from 1980 (of {span(days['1980'])})",
        "say --epoch 1970 or --epoch 1980 (epoch = … in a mapping)",
    )


def span(days: Sequence[date]) -> str:
    """Return the first and the last of some days."""
    return f"{days[0]} to {days[-1]}" if len(days) > 1 else f"{days[0]}"


def of_records(con: duckdb.DuckDBPyConnection, shape: Shape) -> Document:
    """Return a list of objects, whose keys are the columns."""
    bars = listed(shape.place)
    found = con.execute(
        f"select distinct unnest(json_keys(bar)) as name from (select bar from ({bars}) limit 100)"
        " order by name"
    ).fetchall()
    names = [name for (name,) in found]
    keys = {name: '$."' + name.replace('"', '\\"') + '"' for name in names}
    fields = ", ".join(
        f"json_extract_string(bar, {quoted(keys[name])}) as {quoted_name(called(name, names))}"
        for name in names
    )
    return Document(
        shape, f"select {fields} from ({bars})", tuple(called(name, names) for name in names)
    )


def called(name: str, names: Sequence[str]) -> str:
    """Return the name of a record's column: `t` is a timestamp where nothing else is."""
    others = {plain(other) for other in names}
    short = {"o", "h", "l", "c"} <= others and not others & {"timestamp", "date", "datetime"}
    return Role.TIMESTAMP.value if name == "t" and short else name
