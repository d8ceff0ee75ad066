"""Which of a vendor's columns is which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum


class Role(StrEnum):
    """What a vendor's column can be to us."""

    SYMBOL = "symbol"
    TIMESTAMP = "timestamp"  # a date, or a date and a time of day
    TIME = "time"  # the time of day, where `timestamp` is only the date
    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    ADJUSTED_CLOSE = "adjusted_close"
    BAR_LABEL = "bar_label"  # says `start` or `end` in each row


# Names as `plain` makes them, the better first. `time` alone is a timestamp: see `detected`.
NAMES: dict[Role, tuple[str, ...]] = {
    Role.SYMBOL: (
        *("symbol", "ticker", "tradingsymbol", "tckrsymb", "scrip", "instrument", "sym"),
        *("chsymbol", "symbolname", "stocksymbol", "code", "name"),
    ),
    Role.TIMESTAMP: (
        *("timestamp", "datetime", "barts", "ts", "starttime", "opentime", "candletime"),
        *("dateandtime", "datetimeutc", "timestamputc", "date", "tradedate", "tradingdate"),
        *("sessiondate", "pricedate", "day", "dtyyyymmdd", "yyyymmdd", "traddt", "bizdt", "dt"),
        *("chtimestamp", "epoch", "unix", "unixtime", "indexlevel0"),
    ),
    Role.TIME: ("time", "timeofday", "tm", "hhmmss", "hhmm", "tradetime"),
    Role.OPEN: ("open", "o", "openprice", "openingprice", "opnpric", "opn", "op", "chopeningprice"),
    Role.HIGH: ("high", "h", "highprice", "hghpric", "max", "hi", "chtradehighprice"),
    Role.LOW: ("low", "l", "lowprice", "lwpric", "min", "lo", "chtradelowprice"),
    Role.CLOSE: (
        *("close", "c", "closeprice", "closingprice", "clspric", "closelast", "cl"),
        *("chclosingprice",),
    ),
    Role.VOLUME: (
        *("volume", "vol", "v", "tottrdqty", "totaltradedquantity", "ttltradgvol"),
        *("tradedvolume", "sharestraded", "chtottradedqty", "basevolume", "qty"),
    ),
    Role.ADJUSTED_CLOSE: ("adjustedclose", "adjclose", "closeadj", "adjcloseprice", "adj"),
    Role.BAR_LABEL: ("barlabel", "tslabel"),
}

# How pandas writes the name of an index that has none.
NAMELESS = ("", "nameless", "unnamed0", "index", "column0")


def plain(name: str) -> str:
    """Return a column's name without what vendors vary: case, spaces, `<DATE>`, `1. open`."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^\s*\d+\.\s+", "", name).lower())


def detected(names: Sequence[str], stated: dict[Role, str]) -> dict[Role, str]:
    """
    Return the vendor's column for each role that has one; what is stated overrules.

    A column has one role. Raise KeyError with the name of a stated column that is not there;
    it is found whatever its case.
    """
    exactly = {name.lower(): name for name in reversed(names)}
    found = {}
    for role, name in stated.items():
        if name not in names and name.lower() not in exactly:
            raise KeyError(name)
        found[role] = name if name in names else exactly[name.lower()]
    free = {plain(name): name for name in reversed(names) if name not in found.values()}
    for role, known in NAMES.items():
        if role in found:
            continue
        for candidate in known:
            if candidate in free and free[candidate] not in found.values():
                found[role] = free[candidate]
                break
    if Role.TIMESTAMP not in found:
        if Role.TIME in found:
            found[Role.TIMESTAMP] = found.pop(Role.TIME)
        elif names and plain(names[0]) in NAMELESS and names[0] not in found.values():
            found[Role.TIMESTAMP] = names[0]
    return found
