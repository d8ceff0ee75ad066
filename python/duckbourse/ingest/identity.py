"""
The symbol of a row, composed of everything that a vendor states about an instrument.

    INFY                        a stock: series EQ, on the calendar's own exchange and in its
                                currency
    IRFC-N2                     another series, as the exchange and Kite write it
    NIFTY-25JAN2024-FUT         a future
    NIFTY-25JAN2024-21500CE     an option: weeklies and monthlies have the whole date, so that no
                                two contracts have the same name
    BSE:INFY                    on an exchange other than the calendar's own
    INFY-USD                    in a currency other than the calendar's own; pence are GBX

A line of `seeds/reference/vendor_symbols.csv` gives a vendor's symbol another name; `symbol_prefix`
precedes all other symbols.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np

from duckbourse.errors import BadInput
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.inference.columns import Role, is_bhavcopy
from duckbourse.ingest.options import Options
from duckbourse.ingest.schema import NO_NUMBER
from duckbourse.settings import PROJECT
from duckbourse.warehouse import quoted
from duckbourse.words import counted

SEED = "seeds/reference/vendor_symbols.csv"
VENDOR_SYMBOLS = PROJECT / SEED
VENDOR_SYMBOLS_HEADER = ["source", "vendor_symbol", "symbol"]

# Roles that form the symbol of each row, and those that also need the calendar.
CONTRACT = (Role.SERIES, Role.EXPIRY, Role.STRIKE, Role.OPTION_TYPE, Role.INSTRUMENT_TYPE)
PLACE = (Role.EXCHANGE, Role.CURRENCY)

# Codes of exchanges, without punctuation. Symbols of `OWN` get no exchange in their calendar; BSE
# has the hours of NSE and lists many of the same companies.
OWN: dict[str, tuple[str, ...]] = {
    "XNSE": ("NSE", "XNSE", "NSI", "NFO", "NSEEQ", "NSEFO", "NSEFNO", "NSEINDEX", "NSEI"),
    "XNYS": (
        *("NYSE", "XNYS", "NYQ", "NYS", "NYSEAMERICAN", "NYSEMKT", "AMEX", "XASE", "ASE"),
        *("NASDAQ", "XNAS", "NAS", "NMS", "NGM", "NCM", "NASDAQGS", "NASDAQGM", "NASDAQCM"),
        *("NYSEARCA", "ARCA", "ARCX", "PCX", "BATS", "BTS", "BZX", "CBOE", "IEX", "IEXG"),
        *("SMART", "US"),
    ),
}
BSE = ("BSE", "XBOM", "BOM", "BFO", "BSEEQ", "BSEFO", "BSEFNO", "BSEINDEX")
CALENDAR_OF = {word: name for name, words in OWN.items() for word in words}
CALENDAR_OF |= dict.fromkeys(BSE, "XNSE")
# One-letter codes, which mean other exchanges under another calendar.
LETTERS = {"XNSE": "N", "XNYS": "ANPQVZ"}
OWN_CURRENCY = {"XNSE": "INR", "XNYS": "USD"}

# Other exchanges: their codes, and the suffixes of their symbols (at Yahoo, Reuters, Alpha Vantage,
# Stooq, EODHD).
ELSEWHERE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "London": (("LSE", "XLON", "LON", "LSEETF", "LSEIOB"), ("L", "IL", "LON", "LSE", "UK")),
    "Frankfurt": (
        ("XETRA", "XETR", "IBIS", "FRA", "XFRA", "FWB", "GETTEX", "XSTU", "XMUN"),
        ("DE", "DEX", "FRK", "XETRA", "SG", "MU", "BE", "DU", "HM", "HA"),
    ),
    "Paris": (("EPA", "XPAR", "ENEXTPAR", "SBF"), ("PA", "PAR")),
    "Amsterdam": (("XAMS", "AEB", "ENEXTAMS"), ("AS", "AMS")),
    "Brussels": (("EBR", "XBRU"), ("BR", "BRU")),
    "Lisbon": (("ELI", "XLIS"), ("LS", "LIS")),
    "Milan": (("XMIL", "MTAA", "BVME", "BIT"), ("MI", "MIL")),
    "Madrid": (("BME", "XMAD"), ("MC",)),
    "Zurich": (("EBS", "XSWX", "SWX", "XVTX"), ("SW", "VX")),
    "Vienna": (("WBAG", "XWBO"), ("VI",)),
    "Stockholm": (("STO", "XSTO", "SFB"), ("ST",)),
    "Copenhagen": (("CPH", "XCSE"), ("CO",)),
    "Helsinki": (("XHEL",), ("HE",)),
    "Oslo": (("OSE", "XOSL"), ("OL",)),
    "Warsaw": (("GPW", "WSE", "XWAR"), ("WA", "PL")),
    "Athens": (("ATHEX", "XATH"), ("AT",)),
    "Istanbul": (("BIST", "XIST"), ("IS",)),
    "Dublin": (("XDUB",), ("IR",)),
    "Toronto": (("TSX", "XTSE", "TSXV", "XTSX", "NEO", "XCNQ"), ("TO", "TRT", "TRV", "NE")),
    "Tokyo": (("TYO", "XTKS", "TSE", "TSEJ", "JPX", "XJPX"), ("T", "JP", "TYO")),
    "Hong Kong": (("HKEX", "HKG", "XHKG", "SEHK"), ("HK", "HKG")),
    "Shanghai": (("SSE", "XSHG", "SHA", "SHSE"), ("SS", "SHH", "SH")),
    "Shenzhen": (("SZSE", "XSHE", "SHE"), ("SZ", "SHZ")),
    "Seoul": (("KRX", "XKRX", "KSE", "KOSPI", "KOSDAQ", "XKOS"), ("KS", "KQ", "KO")),
    "Taipei": (("TWSE", "XTAI", "TPEX", "ROCO"), ("TW", "TWO")),
    "Singapore": (("SGX", "XSES", "SES"), ("SI",)),
    "Kuala Lumpur": (("KLSE", "XKLS", "MYX"), ("KL",)),
    "Jakarta": (("IDX", "XIDX"), ("JK",)),
    "Bangkok": (("XBKK",), ("BK",)),
    "Sydney": (("ASX", "XASX"), ("AX", "AU")),
    "Wellington": (("NZX", "NZE", "XNZE"), ("NZ",)),
    "Johannesburg": (("JSE", "XJSE"), ("JO",)),
    "Tel Aviv": (("TASE", "XTAE"), ("TA",)),
    "Riyadh": (("TADAWUL", "XSAU"), ("SR", "SAU")),
    "São Paulo": (("BVMF", "B3", "BOVESPA"), ("SA", "SAO")),
    "Mexico": (("BMV", "XMEX"), ("MX",)),
}
CODES = {*CALENDAR_OF, *(word for words, _ in ELSEWHERE.values() for word in words)}
# What a suffix means: one of our calendars and the exchange, or an exchange elsewhere. Any other
# single letter after a point is a share class (BRK.B); F and V mean other things at Stooq.
SUFFIXES: dict[str, tuple[str | None, str]] = {
    suffix: (None, place) for place, (_, suffixes) in ELSEWHERE.items() for suffix in suffixes
}
SUFFIXES |= dict.fromkeys(("NS", "NSE", "NSI"), ("XNSE", "NSE"))
SUFFIXES |= dict.fromkeys(("BO", "BSE", "BOM"), ("XNSE", "BSE"))
SUFFIXES |= dict.fromkeys(("US", "OQ", "NYSE", "NASDAQ"), ("XNYS", "the United States"))
SUFFIXED = re.compile(r"(?:.*:)?[A-Z0-9&^_-]+\.(?P<suffix>[A-Z]{1,6})", re.IGNORECASE)

# Instrument types; a company's name in that column matches neither.
CASH = "STK|EQ|EQUITY|STOCK|SHARE|INDEX|ETF|BOND"
DERIVATIVE = "STF|STO|IDF|IDO|CE|PE|(FUT|OPT)(STK|IDX|CUR|COM|IVX|IRC|IRT|FUT)?|FUTURE|OPTION"
# White space and zero-width characters, as copied from web pages and terminals.
UNSEEN = " \t\r\n\v\f\u00a0\u2007\u202f\u200b\u200e\u200f\u2060\ufeff"
EXPIRIES = ("%d-%b-%Y", "%d%b%Y", "%d %b %Y", "%Y%m%d")


def symbol_sql(symbol: str, words: Mapping[Role, str]) -> str:
    """
    Return SQL for a vendor's symbol with its series and contract; `words` are the columns, as text.

    NULL if a part that it needs cannot be read.
    """
    parts = [symbol]
    if Role.SERIES in words:
        parts.append(series_sql(words))
    if {Role.EXPIRY, Role.STRIKE, Role.OPTION_TYPE} & words.keys():
        parts.append(contract_sql(words))
    return " || ".join(parts)


def series_sql(words: Mapping[Role, str]) -> str:
    """Return SQL for `-N2`, the series; empty for EQ and for the groups that BSE writes there."""
    series = f"upper({trimmed_sql(words[Role.SERIES])})"
    is_ordinary = f"{series} is null or regexp_full_match({series}, '(EQ|-)?')"
    if Role.EXCHANGE in words:
        is_ordinary += (
            f" or regexp_full_match({word_sql(words[Role.EXCHANGE])}, {quoted('|'.join(BSE))})"
        )
    return f"case when {is_ordinary} then '' else '-' || {series} end"


def contract_sql(words: Mapping[Role, str]) -> str:
    """Return SQL for `-25JAN2024-FUT` or `-25JAN2024-21500CE`; empty if not a derivative."""
    kind = f"coalesce(upper({given_text_sql(words.get(Role.INSTRUMENT_TYPE))}), '')"
    expiry, strike = given_text_sql(words.get(Role.EXPIRY)), given_text_sql(words.get(Role.STRIKE))
    option = f"upper({given_text_sql(words.get(Role.OPTION_TYPE))})"
    if Role.OPTION_TYPE not in words:
        option = f"case when regexp_full_match({kind}, 'CE|PE') then {kind} end"
    formats = ", ".join(map(quoted, EXPIRIES))
    day = f"coalesce(try_cast({expiry} as timestamp), try_strptime({expiry}, [{formats}]))"
    # %Y reads 24 as the year 24
    day = f"if(year({day}) < 100, {day} + interval 2000 year, {day})"
    price = f"try_cast({strike} as decimal(18, 4))"
    shown = f"regexp_replace({price}::varchar, '\\.?0+$', '')"
    is_option = f"({option} is not null and not regexp_full_match({option}, 'XX|FUT?|FF'))"
    side = (
        f"case when regexp_full_match({option}, 'C|CALL') then 'CE'"
        f" when regexp_full_match({option}, 'P|PUT') then 'PE' else {option} end"
    )
    has_strike = f"({strike} is not null and {price} is distinct from 0)"
    # a part that is present and unreadable makes all of it NULL
    return f"""case
        when regexp_full_match({kind}, '{CASH}') then ''
        when {expiry} is null and regexp_full_match({kind}, '{DERIVATIVE}') then null
        else case when {expiry} is null then '' else '-' || upper(strftime({day}, '%d%b%Y')) end
            || case when {is_option} then '-' || nullif({shown}, '0') || {side}
                when {has_strike} then '-' || {shown}
                when {expiry} is null then ''
                else '-FUT' end
        end"""


def given_text_sql(text: str | None) -> str:
    """Return SQL for a column's text, NULL where the vendor writes a missing value."""
    if text is None:
        return "null::varchar"
    missing = quoted("|".join(map(re.escape, NO_NUMBER)))
    bare = trimmed_sql(text)
    return f"case when not regexp_full_match({bare}, {missing}, 'i') then {bare} end"


def trimmed_sql(text: str) -> str:
    """Return SQL for a text without blanks and invisible characters at its ends."""
    return f"trim({text}, {quoted(UNSEEN)})"


def word_sql(text: str) -> str:
    """Return SQL for a word in capitals without punctuation: NSEEQ for NSE_EQ."""
    return f"regexp_replace(upper({text}), '[^A-Z0-9]', '', 'g')"


def place_sql(words: Mapping[Role, str]) -> dict[str, str]:
    """Return SQL for exchange and currency, if they have columns; pence (GBp) are GBX."""
    texts = {role: given_text_sql(words[role]) for role in PLACE if role in words}
    if Role.CURRENCY in texts:
        # pence differ from pounds only in case; ZAc becomes ZAC, which is distinct from ZAR anyway
        texts[Role.CURRENCY] = f"regexp_replace({texts[Role.CURRENCY]}, '^([A-Z]{{2}})p$', '\\1X')"
    return {role.value: f"coalesce(upper({text}), '')" for role, text in texts.items()}


def normalized_word(exchange: str) -> str:
    """Return an exchange's code without punctuation, as in `OWN`."""
    return re.sub("[^A-Z0-9]", "", exchange)


def are_codes(texts: Sequence[str]) -> bool:
    """Return whether all of these are exchange codes, and not flags or other names."""
    words = {normalized_word(text.upper()) for text in texts}
    return bool(words) and words <= CODES


def suffixed_elsewhere(symbols: Iterable[str], calendar: str) -> list[str]:
    """Return notes on symbols whose suffix belongs to an exchange of another calendar."""
    found: dict[str, list[str]] = {}
    for symbol in sorted(symbols):
        match = SUFFIXED.fullmatch(symbol)
        suffix = match["suffix"].upper() if match else ""
        if suffix in SUFFIXES and SUFFIXES[suffix][0] != calendar:
            found.setdefault(suffix, []).append(symbol)
    notes = []
    for suffix, named in found.items():
        own, place = SUFFIXES[suffix]
        others = f" and {len(named) - 1:,} more have" if len(named) > 1 else " has"
        has_suffix = f"{named[0]}{others} the suffix .{suffix} ({place})"
        notes.append(
            f"{has_suffix}, whose calendar is {own}, not {calendar}: pass --calendar {own}, unless"
            " they also trade elsewhere"
            if own
            else f"{has_suffix}, which is not in {calendar}: its sessions and hours differ"
        )
    return notes


def calendar_of_exchanges(
    con: duckdb.DuckDBPyConnection,
    roles: Mapping[Role, str],
    unused: Sequence[str],
    file: VendorFile,
) -> str | None:
    """
    Return the calendar of the exchanges that the rows name, None if they name no known one.

    A bhavcopy without an exchange is from NSE. Raise BadInput if the rows have several calendars or
    not the stated one.
    """
    stated = file.options.calendar
    if Role.EXCHANGE not in roles:
        return "XNSE" if is_bhavcopy([*roles.values(), *unused]) else None
    found = con.execute(
        "select distinct exchange from vendor_rows where rule is null order by exchange"
    ).fetchall()
    known = {
        word: CALENDAR_OF[normalized_word(word)]
        for (word,) in found
        if normalized_word(word) in CALENDAR_OF
    }
    calendars = sorted(set(known.values()))
    if len(calendars) > 1:
        names = ", ".join(f"{word} ({calendar})" for word, calendar in known.items())
        raise BadInput(
            f"{file} has rows of exchanges with different calendars: {names}",
            "split it into one file per calendar",
        )
    if stated and calendars and calendars != [stated]:
        raise BadInput(
            f"{file}: its rows are of {', '.join(known)}, whose calendar is {calendars[0]},"
            f" not {stated} as stated",
            f"pass --calendar {calendars[0]}, or set columns.exchange = '' in a mapping if column"
            f" {roles[Role.EXCHANGE]} is not the exchange of the trades",
        )
    return calendars[0] if calendars else None


def vendor_symbols(source: str, path: Path | None = None) -> dict[str, str]:
    """Return our names for a source's symbols, by vendor symbol, from the seed."""
    path = path or VENDOR_SYMBOLS
    names: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if next(reader, None) != VENDOR_SYMBOLS_HEADER:
                raise BadInput(
                    f"{path.name} does not begin with its header",
                    f"its first line must be {','.join(VENDOR_SYMBOLS_HEADER)}",
                )
            for number, line in enumerate(reader, start=2):
                if not line:
                    continue
                if len(line) != len(VENDOR_SYMBOLS_HEADER) or not all(map(str.strip, line)):
                    raise BadInput(
                        f"{path.name}, line {number}: {','.join(line)!r} is not a source,"
                        " a vendor's symbol and our symbol",
                        "fill in all three",
                    )
                of, theirs, ours = map(str.strip, line)
                if of == source and names.setdefault(theirs, ours) != ours:
                    raise BadInput(
                        f"{path.name}, line {number}: {theirs} of {source} is {ours} here and"
                        f" {names[theirs]} above",
                        "keep one of the lines",
                    )
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}", "restore that file from git"
        ) from error
    return names


def name_of(
    symbol: str, exchange: str, currency: str, calendar: str, prefix: str, names: Mapping[str, str]
) -> str:
    """Return our symbol for a vendor's symbol, exchange and currency ('' if not stated)."""
    # BTCUSDT already names it: in a calendar without a currency of its own, symbols are pairs
    is_pair = calendar not in OWN_CURRENCY and symbol.endswith(currency)
    if currency not in ("", OWN_CURRENCY.get(calendar)) and not is_pair:
        symbol = f"{symbol}-{currency}"
    word = normalized_word(exchange)
    if word and word not in (*OWN.get(calendar, ()), *LETTERS.get(calendar, "")):
        is_bse = word in BSE or (calendar == "XNSE" and word == "B")
        symbol = f"{'BSE' if is_bse else exchange}:{symbol}"
    return names.get(symbol) or names.get(prefix + symbol) or prefix + symbol


def rename_symbols(
    con: duckdb.DuckDBPyConnection,
    table: str,
    roles: Mapping[Role, str],
    calendar: str,
    options: Options,
    names: Mapping[str, str],
) -> list[str]:
    """
    Replace the symbols in the rows of a table with our names, and return notes on it.

    `names` are the `vendor_symbols` of the source. A stated symbol gets no exchange or currency if
    all rows have the same one.
    """
    notes = []
    if any(role in roles for role in CONTRACT):
        [(count, first)] = con.execute(
            f"select count(distinct symbol), min(symbol) from {table}"
            " where rule is null and symbol <> vendor_symbol"
        ).fetchall()
        if count:
            used = ", ".join(roles[role] for role in CONTRACT if role in roles)
            notes.append(f"{used}: part of {counted(count, 'symbol')}, such as {first}")
    place = [role.value if role in roles else "''" for role in PLACE]
    if place == ["''", "''"] and not (options.symbol_prefix or names):
        return notes
    found = con.execute(
        f"select distinct symbol, {', '.join(place)} from {table} where rule is null"
    ).fetchall()
    is_one = options.symbol is not None and len({row[1:] for row in found}) == 1
    renamed = []
    for symbol, exchange, currency in found:
        at, money = ("", "") if is_one else (exchange, currency)
        name = name_of(symbol, at, money, calendar, options.symbol_prefix, names)
        if name != symbol:
            renamed.append((symbol, exchange, currency, name))
    if not renamed:
        return notes
    columns = ("symbol", "exchange", "currency", "name")
    con.register(
        "renamed",
        {
            column: np.array(values, dtype=object)
            for column, values in zip(columns, zip(*renamed, strict=True), strict=True)
        },
    )
    same = " and ".join(
        f"{table}.{column} = renamed.{column}"
        for column, sql in zip(columns, ["symbol", *place], strict=False)
        if sql != "''"
    )
    con.execute(f"update {table} set symbol = renamed.name from renamed where {same}")
    con.unregister("renamed")
    symbol, *_, name = min(renamed)
    notes.append(f"{counted(len(renamed), 'symbol')} renamed: {symbol} in the file is {name}")
    return notes
