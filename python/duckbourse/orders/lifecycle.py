"""
The life of an order, as one table.

    NEW ─▶ DENIED
     └───▶ INTENT ─▶ SENT ─▶ ACKED ─▶ OPEN ─▶ PARTIAL ─▶ FILLED
                      │ │      └─▶ TRIGGER_PENDING ─▶ OPEN
                      │ └─▶ REJECTED            └────┴───────┴─▶ CANCELLED, EXPIRED, REJECTED
                      └─▶ UNKNOWN ─▶ what the broker says when asked, or NOT_PLACED

INTENT is in the journal, on disk, before the order leaves. UNKNOWN is left by asking the broker
only: a time-out is not a refusal. A fill may cross a cancel on the wire, so a cancelled or expired
order can still be filled; nothing else happens to an order that is done.
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
    State.INTENT: frozenset({State.SENT}),
    State.SENT: frozenset(
        {
            State.UNKNOWN,
            State.ACKED,
            State.REJECTED,
            # of an order that is good at once or not at all, the end may come before the answer
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
    State.NOT_PLACED: frozenset(),
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

# what an update may have missed between what we know and what it says
BETWEEN: tuple[tuple[State, ...], ...] = (
    (),
    (State.ACKED,),
    (State.OPEN,),
    (State.ACKED, State.OPEN),
)


def advance(order_id: str, state: State, target: State) -> State:
    """Return the target if one step of the table leads there, or raise IllegalTransition."""
    if target not in TRANSITIONS[state]:
        raise IllegalTransition(f"order {order_id} is {state}: it cannot become {target}")
    return target


def steps(state: State, target: State) -> tuple[State, ...] | None:
    """
    Return the states on the way from one to another, the last included.

    Updates are lost and overtake each other, so what lies between may be passed over: an order that
    was sent and is open was acknowledged. None where no way leads there: the update is an old one.
    """
    for between in BETWEEN:
        if _is_way(state, (*between, target)):
            return (*between, target)
    return None


def _is_way(state: State, way: tuple[State, ...]) -> bool:
    for step in way:
        if step not in TRANSITIONS[state]:
            return False
        state = step
    return True
