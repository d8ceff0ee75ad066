"""Maps Kite's terms to ours."""

from __future__ import annotations

from duckbourse.streaming.feed import PRICE_DECIMALS

# Kite's exchange for each of our calendars
EXCHANGES = {"XNSE": "NSE"}
# the low byte of an instrument token is its segment; prices on the wire have two decimals except in
# these segments
SEGMENT_BITS = 8
CDS, BCD, NCO = 3, 6, 12
PRICE_DECIMALS_OF = {CDS: 7, BCD: 4, NCO: 4}
USUAL_PRICE_DECIMALS = 2


def price_scale(token: int) -> tuple[int, int]:
    """Return the multiplier and divisor that turn a wire price into millionths."""
    segment = token % (1 << SEGMENT_BITS)
    decimals = PRICE_DECIMALS_OF.get(segment, USUAL_PRICE_DECIMALS)
    return 10 ** max(0, PRICE_DECIMALS - decimals), 10 ** max(0, decimals - PRICE_DECIMALS)
