"""Every pair of states: a transition in the table happens, any other is refused."""

from __future__ import annotations

from itertools import product

import pytest

from duckbourse.errors import IllegalTransition
from duckbourse.orders.lifecycle import LIVE, TRANSITIONS, State, advance, steps

# written by hand from the specification, not from the table: the states that may follow each
LIFE = """
new: denied intent
intent: sent not_placed
sent: unknown acked rejected partial filled cancelled
unknown: acked open partial filled cancelled rejected not_placed
acked: open trigger_pending rejected
trigger_pending: open cancelled rejected expired
open: partial filled cancelled expired rejected
partial: partial filled cancelled expired
cancelled: cancelled filled
expired: expired filled
not_placed: acked
"""
WANTED = {
    (State(state), State(target))
    for state, _, targets in (line.partition(": ") for line in LIFE.split("\n") if line)
    for target in targets.split()
}


@pytest.mark.parametrize(("state", "target"), list(product(State, State)))
def test_what_is_not_listed_is_refused(state: State, target: State) -> None:
    if (state, target) in WANTED:
        assert advance("A", state, target) is target
    else:
        with pytest.raises(IllegalTransition, match=f"order A is {state}: it cannot become"):
            advance("A", state, target)


def test_every_state_is_reached() -> None:
    reached = {State.NEW}
    while more := {target for state in reached for target in TRANSITIONS[state]} - reached:
        reached |= more
    assert reached == set(State)


def test_a_final_order_only_has_late_fills() -> None:
    for state in set(State) - LIVE - {State.NEW, State.NOT_PLACED}:
        assert TRANSITIONS[state] <= {state, State.FILLED}


@pytest.mark.parametrize(
    ("state", "target", "way"),
    [
        (State.SENT, State.ACKED, [State.ACKED]),
        (State.SENT, State.OPEN, [State.ACKED, State.OPEN]),
        (State.SENT, State.TRIGGER_PENDING, [State.ACKED, State.TRIGGER_PENDING]),
        (State.SENT, State.EXPIRED, [State.ACKED, State.OPEN, State.EXPIRED]),
        (State.ACKED, State.CANCELLED, [State.OPEN, State.CANCELLED]),
        (State.UNKNOWN, State.EXPIRED, [State.OPEN, State.EXPIRED]),
        (State.TRIGGER_PENDING, State.FILLED, [State.OPEN, State.FILLED]),
        # out of date
        (State.OPEN, State.ACKED, None),
        (State.PARTIAL, State.OPEN, None),
        (State.FILLED, State.CANCELLED, None),
        (State.CANCELLED, State.OPEN, None),
        (State.REJECTED, State.OPEN, None),
        # the broker has it after all
        (State.NOT_PLACED, State.OPEN, [State.ACKED, State.OPEN]),
        (State.NOT_PLACED, State.CANCELLED, [State.ACKED, State.OPEN, State.CANCELLED]),
    ],
)
def test_skipped_states_are_filled_in(state: State, target: State, way: list[State] | None) -> None:
    assert steps(state, target) == (None if way is None else tuple(way))


def test_every_path_follows_the_table() -> None:
    for state, target in product(State, State):
        for step in steps(state, target) or ():
            state = advance("A", state, step)
