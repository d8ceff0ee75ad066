"""What the pages show: an address, such as `/symbols/AAPL/1d`, and its answer as JSON."""

from duckbourse.pages.addresses import addresses, answer, reads_clock
from duckbourse.pages.asking import NotHere, NotUsable, TooMuch

__all__ = ["NotHere", "NotUsable", "TooMuch", "addresses", "answer", "reads_clock"]
