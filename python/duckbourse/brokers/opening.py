"""Brokers by name: those that ship with the project, and entry points of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from duckbourse import plugins
from duckbourse.brokers import paper
from duckbourse.brokers.zerodha import opening as zerodha
from duckbourse.errors import ConfigurationError
from duckbourse.orders.broker import Broker
from duckbourse.orders.charges import Charges
from duckbourse.streaming.feed import TickRelay

GROUP = "duckbourse.brokers"


@dataclass(frozen=True)
class BrokerSetup:
    """
    What a broker may need to know of an account.

    `folder` is where it may keep files of its own. `tick_sizes` are by tradable symbol, and
    `charges` are the schedule of the account's segment. A simulated broker draws from `seed` and
    follows the ticks of `relay`, which is None where no session is traded. Access keys are read
    from the environment by the broker itself. To open a broker connects to nothing.
    """

    account: str
    folder: Path
    capital_amount: Decimal
    tick_sizes: Mapping[str, Decimal] = field(default_factory=dict)
    charges: tuple[Charges, ...] = ()
    seed: int = 1
    relay: TickRelay | None = None


OpenBroker = Callable[[BrokerSetup], Broker]


def open_paper(setup: BrokerSetup, rules: paper.FillRules | None = None) -> paper.PaperBroker:
    """Open the paper broker of an account, which fills on the ticks of the session."""
    broker = paper.PaperBroker(
        setup.folder,
        dict(setup.tick_sizes),
        setup.capital_amount,
        rules or paper.FillRules(seed=setup.seed),
        setup.charges,
    )
    if setup.relay is not None:
        setup.relay.follow(broker)
    return broker


OURS: Mapping[str, OpenBroker] = {
    paper.PaperBroker.name: open_paper,
    "zerodha": zerodha.open_zerodha,
    "zerodha_venue": zerodha.open_at_venue,
}


def at_venue(name: str) -> str:
    """Return the name of a broker whose protocol the venue speaks, there."""
    found = f"{name}_venue"
    if found not in OURS:
        faces = sorted(each.removesuffix("_venue") for each in OURS if each.endswith("_venue"))
        raise ConfigurationError(
            f"the venue does not speak the protocol of the broker {name}",
            f"choose --broker {' or '.join(faces)}, or omit --venue",
        )
    return found


def broker_of(name: str) -> OpenBroker:
    """
    Return the function that opens the broker of this name, an entry point or `module:function`.

    Raise ConfigurationError if there is none, or if its module cannot be imported.
    """
    found: OpenBroker = plugins.load(GROUP, "broker", name, OURS)
    return found
