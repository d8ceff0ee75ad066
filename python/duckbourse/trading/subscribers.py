"""Subscribers of other people: functions that are given the bus of a session before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from duckbourse import plugins
from duckbourse.errors import ConfigurationError
from duckbourse.orders.bus import Bus

GROUP = "duckbourse.subscribers"
Subscriber = Callable[[Bus], object]


def open_subscribers(names: Iterable[str]) -> dict[str, Subscriber]:
    """
    Return the subscribers that installed packages add, and those named as module:function.

    Raise ConfigurationError for one that does not exist or is no function.
    """
    found = plugins.installed(GROUP) | {
        name: plugins.load(GROUP, "subscriber", name, {}) for name in names
    }
    for name, subscriber in found.items():
        if not callable(subscriber):
            raise ConfigurationError(
                f"the subscriber {name} is no function", "name a function of a Bus"
            )
        plugins.refuse_async(f"the subscriber {name}", subscriber)
    return found


def subscribe(subscribers: Mapping[str, Subscriber], bus: Bus) -> None:
    """Give each the bus; raise ConfigurationError if one fails."""
    for name, subscriber in subscribers.items():
        try:
            subscriber(bus)
        except ConfigurationError:
            raise
        except BaseException as error:  # whatever its function raises
            plugins.raise_interruption(error)
            raise ConfigurationError(
                f"the subscriber {name} failed: {error!r}",
                "correct it: it is given a Bus, and calls its `subscribe`",
            ) from error
