"""
The life of an order, as one table.

    NEW ─▶ DENIED
     └───▶ INTENT ─▶ SENT ─▶ ACKED ─▶ OPEN ─▶ PARTIAL ─▶ FILLED
                      │ │      └─▶ TRIGGER_PENDING ─▶ OPEN
                      │ └─▶ REJECTED            └────┴───────┴─▶ CANCELLED, EXPIRED, REJECTED
                      └─▶ UNKNOWN ─▶ the state the broker reports on request, or NOT_PLACED

INTENT is in the journal, on disk, before the order is sent; an entry that could not be written
there is NOT_PLACED. Only a query to the broker resolves UNKNOWN: a time-out is not a rejection. A
fill may cross a cancel on the wire, so a cancelled or expired order can still be filled. An order
that was NOT_PLACED can come to the broker late, where it is live again. Nothing else happens to an
order in a final state.
"""

from __future__ import annotations

from enum import StrEnum

from duckbourse.errors import IllegalTransition


class State(StrEnum):
    NEW = "new"
    DENIED = "denied"
    INTENT = "intent"
    SENT = "sent"
    UNKNOWN = "unknown"
    NOT_PLACED = "not_placed"
    ACKED = "acked"
    TRIGGER_PENDING = "trigger_pending"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_live(self) -> bool:
        """Whether the order may be at the broker and may still be filled."""
        return self in LIVE


TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.DENIED, State.INTENT}),
    # an entry whose intent could not be written to the journal is not sent
    State.INTENT: frozenset({State.SENT, State.NOT_PLACED}),
    State.SENT: frozenset(
        {
            State.UNKNOWN,
            State.ACKED,
            State.REJECTED,
            # an immediate-or-cancel order may end before the acknowledgment arrives
            State.PARTIAL,
            State.FILLED,
            State.CANCELLED,
        }
    ),
    State.UNKNOWN: frozenset(
        {
            State.ACKED,
            State.OPEN,
            State.PARTIAL,
            State.FILLED,
            State.CANCELLED,
            State.REJECTED,
            State.NOT_PLACED,
        }
    ),
    State.ACKED: frozenset({State.OPEN, State.TRIGGER_PENDING, State.REJECTED}),
    State.TRIGGER_PENDING: frozenset({State.OPEN, State.CANCELLED, State.REJECTED, State.EXPIRED}),
    State.OPEN: frozenset(
        {State.PARTIAL, State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED}
    ),
    State.PARTIAL: frozenset({State.PARTIAL, State.FILLED, State.CANCELLED, State.EXPIRED}),
    State.CANCELLED: frozenset({State.CANCELLED, State.FILLED}),  # a fill crossed the cancel
    State.EXPIRED: frozenset({State.EXPIRED, State.FILLED}),  # or the end of the session
    State.DENIED: frozenset(),
    State.NOT_PLACED: frozenset({State.ACKED}),  # the broker has it after all
    State.FILLED: frozenset(),
    State.REJECTED: frozenset(),
}

LIVE = frozenset(
    {
        State.INTENT,
        State.SENT,
        State.UNKNOWN,
        State.ACKED,
        State.TRIGGER_PENDING,
        State.OPEN,
        State.PARTIAL,
    }
)

# states of a stop order that was triggered and may still be filled
TRIGGERED = frozenset({State.OPEN, State.PARTIAL})

# states that missing updates may have skipped between the known state and the reported one
BETWEEN: tuple[tuple[State, ...], ...] = (
    (),
    (State.ACKED,),
    (State.OPEN,),
    (State.ACKED, State.OPEN),
)


def advance(order_id: str, state: State, target: State) -> State:
    """Return the target if the table allows this step, or raise IllegalTransition."""
    if target not in TRANSITIONS[state]:
        raise IllegalTransition(f"order {order_id} is {state}: it cannot become {target}")
    return target


def steps(state: State, target: State) -> tuple[State, ...] | None:
    """
    Return the states from one state to another, the target included.

    Updates get lost and arrive out of order, so states between may be skipped: an order that was
    sent and is now open must have been acknowledged. Return None if no path exists: the update is
    out of date.
    """
    for between in BETWEEN:
        if _is_path(state, (*between, target)):
            return (*between, target)
    return None


def _is_path(state: State, path: tuple[State, ...]) -> bool:
    for step in path:
        if step not in TRANSITIONS[state]:
            return False
        state = step
    return True
