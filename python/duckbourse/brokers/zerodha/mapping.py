"""Where Kite's words and ours meet."""

from __future__ import annotations

from duckbourse.streaming.feed import PRICE_DECIMALS

# our calendars' exchanges
EXCHANGES = {"XNSE": "NSE"}
# the low byte of an instrument's token is its segment; how many decimals its prices have on the
# wire, where that is not two
SEGMENT_BITS = 8
CDS, BCD, NCO = 3, 6, 12
PRICE_DECIMALS_OF = {CDS: 7, BCD: 4, NCO: 4}
USUAL_PRICE_DECIMALS = 2


def price_scale(token: int) -> tuple[int, int]:
    """Return what a price on the wire is multiplied and divided by, to be one in millionths."""
    segment = token % (1 << SEGMENT_BITS)
    decimals = PRICE_DECIMALS_OF.get(segment, USUAL_PRICE_DECIMALS)
    return 10 ** max(0, PRICE_DECIMALS - decimals), 10 ** max(0, decimals - PRICE_DECIMALS)
