"""Lines about what a vendor sends are few, short and printable."""

from __future__ import annotations

import structlog
from hypothesis import given
from hypothesis import strategies as st

from duckbourse import clock
from duckbourse.streaming.bounded_log import MAX_PER_MINUTE, BoundedLog
from duckbourse.words import printable


def test_lines_beyond_the_bound_are_counted_in_the_next_one() -> None:
    seconds = 0.0
    bounded = BoundedLog()
    with clock.counted_by(lambda: seconds), structlog.testing.capture_logs() as logs:
        for _ in range(1000):
            bounded.warning("said", data={"a": "\x1b[2J"})
        assert len(logs) == MAX_PER_MINUTE
        seconds = 60.0
        bounded.error("said", data="more")
    assert logs[0] == {"event": "said", "log_level": "warning", "data": "{'a': '\\x1b[2J'}"}
    assert logs[-1] == {
        "event": "said",
        "log_level": "error",
        "data": "more",
        "left_out": "990 lines like this",
    }


@given(st.text(st.characters(), max_size=500))
def test_a_text_of_others_is_one_short_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 10 * 200
    if text.isprintable() and len(text) <= 200:
        assert shown == text
