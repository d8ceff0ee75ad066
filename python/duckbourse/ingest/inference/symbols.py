"""The symbol in a file's name: what remains without dates, ranges and intervals."""

from __future__ import annotations

import re

GAP = "[\\s_,.()\\[\\]\u2013-]+"
GAP_OR_NONE = GAP[:-1] + "*"
YEAR = r"(?:19|20)\d\d"
MONTH = r"(?:0[1-9]|1[0-2])"
DAY = r"(?:0[1-9]|[12]\d|3[01])"
NAMED = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
CLOCK = r"(?:T?\d\d[:.-]?\d\d(?:[:.-]?\d\d)?Z?(?!\d))?"
DATE = "|".join(
    (
        rf"{YEAR}[-_./\s]?{MONTH}[-_./\s]?{DAY}{CLOCK}",
        rf"{DAY}[-_./\s]?{MONTH}[-_./\s]?{YEAR}",
        rf"{MONTH}[-_./\s]?{DAY}[-_./\s]?{YEAR}",
        rf"{DAY}[-_\s]?{NAMED}[-_,\s]*{YEAR}",
        rf"{YEAR}[-_.]?{MONTH}",
        rf"{YEAR}[-_]?Q[1-4]|Q[1-4][-_]?{YEAR}",
        r"1\d{9}(?:\d{3})?",
        # 2000 alone is the Russell 2000; 199x and 2001 onward are years
        r"(?:199\d|200[1-9]|20[1-9]\d)",
    )
)
TO = f"(?:to|till|until|thru|through){GAP}"
RANGE = rf"(?:from{GAP})?(?:{DATE})(?:{GAP}(?:{TO})?(?:{DATE}|{YEAR}))*"
UNIT = (
    "s|sec|secs|seconds?|m|min|mins|minutes?|h|hr|hrs|hours?|d|days?|w|wk|weeks?|mo|months?"
    "|y|yr|yrs|years?"
)
# the 50 of `NIFTY 50_minute` is not an interval
COUNT = "1|2|3|4|5|6|8|10|12|15|20|25|30|45|60|90|120|180|240|1440"
INTERVAL = (
    rf"(?:{COUNT})[-\s]?(?:{UNIT})|(?<=_)(?:{COUNT})_(?:{UNIT})|[MH]\d{{1,3}}|D1|W1|MN1"
    rf"|(?:daily|weekly|monthly){GAP}adj(?:usted)?"
    "|daily|day|eod|intraday|minutes?|minutely|hourly|hour|weekly|week|monthly|month"
)
PART = rf"(?:{RANGE}|{INTERVAL})"
AT_END = re.compile(rf"(?:{GAP}{PART})+{GAP_OR_NONE}$", re.IGNORECASE)
AT_START = re.compile(rf"^{GAP_OR_NONE}(?:{PART}{GAP})+", re.IGNORECASE)
NOTHING_ELSE = re.compile(rf"{PART}(?:{GAP}{PART})*", re.IGNORECASE)
INTERVAL_WORD = re.compile(rf"{INTERVAL}|{UNIT}", re.IGNORECASE)
# A date after one of these is the expiry of a contract, and part of its symbol.
CONTRACT = re.compile(r"(?:^|[^a-z])(?:FUT|OPT|CE|PE|CALL|PUT)(?:[^a-z]|$)", re.IGNORECASE)
# Generic words in names of files, and words that may accompany them. In capitals they may be
# symbols.
GENERIC = frozenset(
    (
        *("aggregates", "aggs", "answer", "bar", "bars", "candle", "candles", "chart", "charts"),
        *("csv", "data", "dataset", "download", "downloads", "export", "exports", "feed", "file"),
        *("files", "historic", "historical", "history", "input", "json", "kline", "klines", "ohlc"),
        *("ohlcv", "output", "price", "prices", "query", "quote", "quotes", "response", "result"),
        *("results", "sample", "series", "stock", "stocks", "table", "timeseries", "untitled"),
        *("alpaca", "alphavantage", "binance", "bybit", "dhan", "finnhub", "fyers", "kite"),
        *("kraken", "nse", "okx", "polygon", "tiingo", "tradingview", "twelvedata", "upstox"),
        *("yahoo", "yfinance", "zerodha"),
    )
)
BESIDE = frozenset(
    (
        *("all", "copy", "final", "full", "js", "latest", "list", "max", "new", "of", "old"),
        *("page", "part", "time"),
    )
)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def infer_symbol(stem: str) -> str | None:
    """
    Return a file's name without dates, ranges and intervals at its ends.

    None if nothing remains except words such as `history`.
    """
    if NOTHING_ELSE.fullmatch(stem):
        return stem if stem.isupper() else None
    if CONTRACT.search(stem):
        return stem
    left = AT_START.sub("", AT_END.sub("", stem)).strip()
    words = [word for word in WORD.findall(left) if not word.isdigit()]
    generic = {word for word in words if word.lower() in GENERIC}
    rest = (word for word in words if word not in generic)
    if not generic or left.isupper():
        return left or stem
    return None if all(w.lower() in BESIDE or INTERVAL_WORD.fullmatch(w) for w in rest) else left
