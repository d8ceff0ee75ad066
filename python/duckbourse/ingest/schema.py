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
    # exactly one of the two instants is set
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
RULES = (
    "no_symbol",
    "no_timestamp",
    "unreadable_timestamp",
    *(f"unreadable_{number}" for number in NUMBERS),
    # expiry, strike or option type
    "unreadable_contract",
)
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

# How vendors write a missing number, in lower case.
NO_NUMBER = ("", "-", "--", "na", "n/a", "#n/a", "nan", "null", "none", "nil")
