"""The tables of the raw store, and the rules that make a vendor's row unreadable."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kind of bars in a delivery."""

    DAILY = "daily"
    MINUTE = "minute"
    ADJUSTED_CLOSE = "adjusted_close"


PRICES = ("open", "high", "low", "close")
NUMBERS = (*PRICES, "volume", "adjusted_close")

ORIGIN = {
    "calendar": "varchar",
    "source": "varchar",
    "source_file": "varchar",
    "source_row": "bigint",
    "delivery": "varchar",
    "delivered_at": "timestamp",
}
OHLCV = dict.fromkeys((*PRICES, "volume"), "double")

TABLES: dict[str, dict[str, str]] = {
    Kind.DAILY: {"symbol": "varchar", "session_date": "date", **OHLCV, **ORIGIN},
    Kind.MINUTE: {
        "symbol": "varchar",
        "bar_ts": "timestamp",
        "session_date": "date",
        **OHLCV,
        **ORIGIN,
    },
    Kind.ADJUSTED_CLOSE: {
        "symbol": "varchar",
        "session_date": "date",
        "adjusted_close": "double",
        **ORIGIN,
    },
    "unreadable": {
        "source": "varchar",
        "source_file": "varchar",
        "source_row": "bigint",
        "rule": "varchar",
        "content": "varchar",
        "delivery": "varchar",
        "delivered_at": "timestamp",
    },
    "deliveries": {
        "delivery": "varchar",
        "kind": "varchar",
        "source": "varchar",
        "source_file": "varchar",
        "calendar": "varchar",
        "timezone": "varchar",
        "bar_label": "varchar",
        "delivered_at": "timestamp",
        "rows_read": "bigint",
        "rows_kept": "bigint",
        "rows_unreadable": "bigint",
        "rows_duplicate": "bigint",
        "rows_revised": "bigint",
        "symbol_count": "bigint",
        "first_session": "date",
        "last_session": "date",
    },
    # exactly one of the two instants is set; restored_at is when a delivery was reinstated
    "withdrawals": {
        "delivery": "varchar",
        "withdrawn_at": "timestamp",
        "restored_at": "timestamp",
        "reason": "varchar",
    },
}

# The column that forms a bar's key together with the symbol, and the measures that can be revised.
KEY_TIME = {
    Kind.DAILY: "session_date",
    Kind.MINUTE: "bar_ts",
    Kind.ADJUSTED_CLOSE: "session_date",
}
MEASURES: dict[Kind, tuple[str, ...]] = {
    Kind.DAILY: (*PRICES, "volume"),
    Kind.MINUTE: (*PRICES, "volume"),
    Kind.ADJUSTED_CLOSE: ("adjusted_close",),
}

# A row that breaks one of these is kept as text in `unreadable`. Its position is its code.
RULES = {
    "no_symbol": "it has no symbol",
    "no_timestamp": "it has no date or time",
    "unreadable_timestamp": "no date or time as the file writes them",
    **{f"unreadable_{number}": "not a number" for number in NUMBERS},
    "unreadable_contract": "its expiry, strike and option type make no contract",
}
# A line with an open quote that no later line closes sensibly.
OPEN_QUOTE = "open_quote"
# The CSV reader's error types for lines, and our rules for them.
LINE_RULES = {
    "MISSING COLUMNS": "too_few_columns",
    "TOO MANY COLUMNS": "too_many_columns",
    "UNQUOTED VALUE": OPEN_QUOTE,
    "LINE SIZE OVER MAXIMUM": OPEN_QUOTE,
    "INVALID ENCODING": "not_utf8",
    "INVALID STATE": OPEN_QUOTE,
    "CAST": "unreadable_line",
}
WHY = {
    **RULES,
    "too_few_columns": "fewer columns than the header",
    "too_many_columns": "more columns than the header",
    OPEN_QUOTE: "a quotation mark is never closed",
    "not_utf8": "it is not text in UTF-8",
    "unreadable_line": "it could not be parsed",
}

# What the build rejects, by the macros broken_price_rule and broken_time_rule, with the measure at
# fault if it is one. The rules that need sessions and other deliveries are known to the build only.
REJECTED: dict[str, tuple[str, str | None]] = {
    "nothing_traded": ("no price and no volume, as vendors write a day without a trade", None),
    "missing_price": ("a price is missing", None),
    "price_is_no_number": ("a price is not a finite number", None),
    "price_not_positive": ("a price is 0 or negative", None),
    "impossible_price": ("a price is too small or too large to be one", None),
    "high_is_not_highest": ("another price is higher than the high", "high"),
    "low_is_not_lowest": ("another price is lower than the low", "low"),
    "impossible_volume": ("the volume is negative, or too large to be one", "volume"),
    "epoch_stamp": ("a time of 1 January 1970 is that of a clock that was never set", None),
    "future_stamp": ("the bar ends after it was delivered", None),
}

# How vendors write a missing number, in lower case.
NO_NUMBER = ("", "-", "--", "na", "n/a", "#n/a", "nan", "null", "none", "nil")
