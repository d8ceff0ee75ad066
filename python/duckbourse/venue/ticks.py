"""The frames of Kite's socket, as the venue sends them; `brokers/zerodha/stream.py` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from duckbourse.brokers.zerodha.mapping import USUAL_PRICE_DECIMALS
from duckbourse.brokers.zerodha.stream import (
    COUNT_SIZE,
    FULL,
    LENGTH_SIZE,
    LTP,
    QUOTE,
    Mode,
)
from duckbourse.streaming.feed import Tick

# each body is the beginning of a longer one
SIZES: dict[Mode, int] = {"ltp": LTP.itemsize, "quote": QUOTE.itemsize, "full": FULL.itemsize}
HEARTBEAT = b"\x00"


def on_wire(price: Decimal | None) -> int:
    """Return a price as it is sent, and 0 for none."""
    scaled = Decimal(price or 0).scaleb(USUAL_PRICE_DECIMALS)
    return int(scaled.to_integral_value(ROUND_HALF_EVEN))


@dataclass
class Quote:
    """An instrument's trading in the session; prices are as on the wire, and `value` is theirs."""

    token: int
    close: int = 0
    last: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    quantity: int = 0
    volume: int = 0
    value: int = 0
    at: datetime | None = None

    def trade(self, tick: Tick) -> None:
        price = on_wire(tick.price)
        if self.at is None:
            self.open = self.high = self.low = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.last, self.quantity, self.at = price, tick.quantity, tick.at
        self.volume += tick.quantity
        self.value += tick.quantity * price

    def packet(self, mode: Mode) -> bytes:
        """Return the body of a packet; the venue has no orders of others, and so no depth."""
        body = np.zeros((), FULL)
        seconds = int(self.at.timestamp()) if self.at is not None else 0
        for name, value in {
            "token": self.token,
            "last_price": self.last,
            "last_quantity": self.quantity,
            "average_price": round(self.value / self.volume) if self.volume else 0,
            "volume": self.volume,
            "open": self.open,
            "high": self.high,
            "low": self.low,
            "close": self.close,
            "last_trade_time": seconds,
            "exchange_time": seconds,
        }.items():
            body[name] = value
        return body.tobytes()[: SIZES[mode]]


def frame_of(packets: Iterable[bytes]) -> bytes:
    """Return the frame of some packets."""
    parts = list(packets)
    framed = (len(part).to_bytes(LENGTH_SIZE) + part for part in parts)
    return len(parts).to_bytes(COUNT_SIZE) + b"".join(framed)
