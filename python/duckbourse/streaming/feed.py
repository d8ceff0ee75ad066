"""What a price is when it comes, and what brings it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec


class Tick(msgspec.Struct, frozen=True):
    """
    A trade that was told: when, at the exchange, in UTC; its price; how many shares.

    `is_made_up` is a tick that no exchange told, such as one that was taken from a bar.
    """

    symbol: str
    at: datetime
    price: Decimal
    quantity: int
    is_made_up: bool = False


class Feed(Protocol):
    """Ticks, in order of time, a batch at a time, until the end of the session or of the feed."""

    @property
    def name(self) -> str:
        """Return what is fed, in a few words."""

    def ticks(self) -> AsyncIterator[list[Tick]]:
        """Return the batches; those of one batch are of one instant."""
