"""Detect the role of each column of a vendor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum


class Role(StrEnum):
    """The role of a vendor's column."""

    SYMBOL = "symbol"
    TIMESTAMP = "timestamp"  # a date, or a date and a time of day
    TIME = "time"  # the time of day, where `timestamp` is only the date
    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    ADJUSTED_CLOSE = "adjusted_close"
    BAR_LABEL = "bar_label"  # `start` or `end` in each row
    # what identifies an instrument beside its symbol: see identity.py
    SERIES = "series"
    EXPIRY = "expiry"
    STRIKE = "strike"
    OPTION_TYPE = "option_type"
    INSTRUMENT_TYPE = "instrument_type"
    EXCHANGE = "exchange"
    CURRENCY = "currency"


# Names as `normalized` returns them, best first. `time` alone is a timestamp: see `infer_roles`.
NAMES: dict[Role, tuple[str, ...]] = {
    Role.SYMBOL: (
        *("symbol", "ticker", "tradingsymbol", "tckrsymb", "scrip", "instrument", "sym"),
        *("chsymbol", "symbolname", "stocksymbol", "code", "name", "sccode", "indexname"),
    ),
    Role.TIMESTAMP: (
        *("timestamp", "datetime", "barts", "ts", "starttime", "opentime", "candletime"),
        *("dateandtime", "datetimeutc", "timestamputc", "date", "tradedate", "tradingdate"),
        *("sessiondate", "pricedate", "day", "dtyyyymmdd", "yyyymmdd", "traddt", "bizdt", "dt"),
        *("chtimestamp", "epoch", "unix", "unixtime", "unixtimestamp", "indexlevel0"),
        *("windowstart", "tsevent", "closetime", "endtime", "date1", "indexdate"),
    ),
    Role.TIME: ("time", "timeofday", "tm", "hhmmss", "hhmm", "tradetime"),
    Role.OPEN: (
        *("open", "o", "openprice", "openingprice", "opnpric", "opn", "op", "chopeningprice"),
        *("openindexvalue",),
    ),
    Role.HIGH: (
        *("high", "h", "highprice", "hghpric", "max", "hi", "chtradehighprice"),
        *("highindexvalue",),
    ),
    Role.LOW: ("low", "l", "lowprice", "lwpric", "min", "lo", "chtradelowprice", "lowindexvalue"),
    Role.CLOSE: (
        *("close", "c", "closeprice", "closingprice", "clspric", "closelast", "cl"),
        *("chclosingprice", "closingindexvalue"),
    ),
    Role.VOLUME: (
        *("volume", "vol", "v", "tottrdqty", "totaltradedquantity", "ttltradgvol"),
        *("tradedvolume", "sharestraded", "chtottradedqty", "basevolume", "qty"),
        *("ttltrdqnty", "contracts", "noofshrs"),
    ),
    Role.ADJUSTED_CLOSE: ("adjustedclose", "adjclose", "closeadj", "adjcloseprice", "adj"),
    Role.BAR_LABEL: ("barlabel", "tslabel"),
    Role.SERIES: ("series", "sctysrs", "chseries"),
    Role.EXPIRY: (
        *("expiry", "expirydate", "expirydt", "xprydt", "expiration", "expirationdate"),
        *("chexpirydt",),
    ),
    Role.STRIKE: ("strike", "strikeprice", "strkpric", "strikepr", "chstrikeprice"),
    Role.OPTION_TYPE: ("optiontype", "optiontyp", "optntp", "opttype", "right", "choptiontype"),
    Role.INSTRUMENT_TYPE: (
        *("instrumenttype", "fininstrmtp", "insttype", "instrument", "instrumentname"),
    ),
    Role.EXCHANGE: ("exchange", "exch", "exchangecode", "exchangesegment"),
    Role.CURRENCY: ("currency", "ccy", "curr", "currencycode"),
}

# The fields of Binance's bars, whose files have no header.
KLINE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("trades", "taker_base_volume", "taker_quote_volume", "ignore"),
)

# Other names for a close, if open, high and low exist too; alone they mean single trades.
LAST_PRICES = ("price", "last", "lastprice", "ltp")

# Columns of exchanges if they hold exchange codes: `Ex` may be a dividend flag.
MAY_BE_EXCHANGES = (
    *("mic", "primaryexchange", "listingexchange", "exchangemic", "miccode", "operatingmic"),
    *("exchangename", "exchangeid", "exchcode", "exchangeshortname", "ex", "venue", "market"),
    *("stockexchange", "bourse"),
)

# Names of unused columns that may be a missing role.
LOOKS_LIKE = {
    Role.CLOSE: re.compile("^cl[os](?!.*(date|time))|clos(e|ing)$|settl.*pr"),
    Role.EXCHANGE: re.compile("^(ex|mic|venue|bourse)$|^(?!.*(time|date|rate|ts$)).*exch"),
    Role.VOLUME: re.compile("vol(?!at)|qty|qnty|quantit|traded|shares|contracts|lots"),
    Role.SYMBOL: re.compile("sym|ticker|scrip|instrument|isin|security|company|asset|pair"),
    Role.TIME: re.compile("time|clock|hour"),
    Role.BAR_LABEL: re.compile("label"),
}

# `Volume ETH` beside `Volume USDT`: one counts what was traded, the other what was paid.
VOLUME_IN = re.compile(r"volume([a-z0-9]{2,10})")
MONEY = (
    *("usd", "usdt", "usdc", "busd", "tusd", "fdusd", "dai", "eur", "gbp", "jpy", "inr", "try"),
    *("brl", "aud", "cad", "chf", "krw", "currency"),
)

# Names of timestamp columns that state which end of the bar they give.
LABEL_NAMES = {
    "start": (
        *("opentime", "starttime", "barstart", "timeopen", "begin", "begins", "periodstart"),
        *("windowstart", "tsevent"),
    ),
    "end": ("closetime", "endtime", "barend", "timeclose", "ends", "periodend"),
}

# Bhavcopies, recognized by some of their columns: UDiFF of NSE and BSE, the formats before it
# (NSE's shares and derivatives, BSE's), and NSE's with delivery volumes. Each row is one day.
UDIFF = {"sgmt", "src", "fininstrmtp", "tckrsymb", "sctysrs"}
BHAVCOPIES = (
    UDIFF,
    {"symbol", "series", "tottrdqty", "timestamp"},
    {"instrument", "symbol", "expirydt", "strikepr", "optiontyp", "timestamp"},
    {"symbol", "series", "date1", "ttltrdqnty"},
    {"sccode", "scgroup", "noofshrs", "tradingdate"},
)

# BSE's older format has the date only in the file's name: EQ050124.CSV is 5 January 2024.
UNDATED = {"sccode", "scgroup", "noofshrs"}
DATED_NAME = re.compile(r"EQ(?:_ISINCODE_)?(?P<date>\d{6})", re.IGNORECASE)
DATE_COLUMN = "TRADING_DATE"

# What pandas writes as the name of an index without a name.
NAMELESS = ("", "nameless", "unnamed0", "index", "column0")


def normalized(name: str) -> str:
    """Return a column's name without case, spaces, brackets (`<DATE>`) and numbers (`1. open`)."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^\s*\d+\.\s+", "", name).lower())


def is_bhavcopy(names: Sequence[str]) -> bool:
    """Return whether these are the columns of a bhavcopy, an Indian exchange's daily file."""
    normalized_names = {normalized(name) for name in names}
    return any(normalized_names >= columns for columns in BHAVCOPIES)


def is_adjusted_history(names: Iterable[str]) -> bool:
    """Return whether these are yfinance's columns with adjusted prices."""
    normalized_names = {normalized(name) for name in names}
    known = {"dividends", "stocksplits"} <= normalized_names
    return known and normalized_names.isdisjoint(NAMES[Role.ADJUSTED_CLOSE])


def date_in_name(names: Sequence[str], stem: str) -> date | None:
    """Return the date in the file name of BSE's older bhavcopy, None for any other file."""
    normalized_names = {normalized(name) for name in names}
    found = DATED_NAME.fullmatch(stem)
    if (
        found is None
        or not normalized_names >= UNDATED
        or normalized(DATE_COLUMN) in normalized_names
    ):
        return None
    try:
        return datetime.strptime(found["date"], "%d%m%y").date()
    except ValueError:
        return None


def infer_roles(
    names: Sequence[str], stated: Mapping[Role, str], traded: Iterable[str] = ()
) -> dict[Role, str]:
    """
    Return the vendor's column for each role that has one; stated columns take precedence.

    A column has at most one role; a role stated as '' has no column. `traded` are texts that may
    contain the symbol. Stated names match in any case; raise KeyError with the name of one that is
    missing.
    """
    by_lower_name = {name.lower(): name for name in reversed(names)}
    found = {}
    for role, name in stated.items():
        if name and name not in names and name.lower() not in by_lower_name:
            raise KeyError(name)
        if name:
            found[role] = name if name in names else by_lower_name[name.lower()]
    free = {normalized(name): name for name in reversed(names) if name not in found.values()}

    def take(role: Role, known: Iterable[str]) -> None:
        for candidate in known:
            if role not in stated and free.get(candidate, "") not in ("", *found.values()):
                found[role] = free[candidate]
                return

    is_udiff = {normalized(name) for name in names} >= UDIFF
    for role, known in NAMES.items():
        take(role, ("src",) if role is Role.EXCHANGE and is_udiff else known)
    if Role.CLOSE not in found and {Role.OPEN, Role.HIGH, Role.LOW} <= found.keys():
        take(Role.CLOSE, LAST_PRICES)
    if Role.VOLUME not in found:
        take(Role.VOLUME, volume_traded(free, traded))
    if Role.TIMESTAMP not in found:
        if Role.TIME in found:
            found[Role.TIMESTAMP] = found.pop(Role.TIME)
        elif names and normalized(names[0]) in NAMELESS and names[0] not in found.values():
            found[Role.TIMESTAMP] = names[0]
    return found


def volume_traded(names: Iterable[str], traded: Iterable[str]) -> list[str]:
    """
    Return the normalized name of the volume in the traded asset, if these names decide it.

    ETHUSDT trades ETH for USDT. Of two columns, one of which is in a currency, it is the other.
    """
    of = {match[1]: name for name in names if (match := VOLUME_IN.fullmatch(name))}
    pairs = [normalized(text) for text in traded]
    first = [
        unit
        for unit in of
        if any(unit + other in pair for other in {*of, *MONEY} - {unit} for pair in pairs)
    ]
    if len(first) == 1:
        return [of[first[0]]]
    goods = [unit for unit in of if unit not in MONEY]
    return [of[goods[0]]] if len(of) == 2 and len(goods) == 1 else []


def alike(role: Role, names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns whose names look like a role."""
    return tuple(name for name in names if LOOKS_LIKE[role].search(normalized(name)))


def label_in_name(name: str) -> str | None:
    """Return which end of a bar a timestamp column gives, if its name says so."""
    for label, known in LABEL_NAMES.items():
        if normalized(name) in known:
            return label
    return None


def quoted_name(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
