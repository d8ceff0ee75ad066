"""The strategies of an account: found by name, given their parameters, and asked by the loop."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

from duckbourse import clock, plugins
from duckbourse.errors import ConfigurationError
from duckbourse.names import did_you_mean, nearest
from duckbourse.orders import events
from duckbourse.orders.events import Event
from duckbourse.orders.order import Fill, Reason, Request
from duckbourse.trading.strategy import (
    BY_HAND,
    Context,
    SignalStrategy,
    Strategy,
    Wanted,
    owner_of,
)

log = structlog.get_logger()

GROUP = "duckbourse.strategies"
PARAMETERS_FILE = "seeds/reference/strategy_parameters.csv"
OURS: Mapping[str, Callable[..., Strategy]] = {SignalStrategy.NAME: SignalStrategy}
_types_of = cache(typing.get_type_hints)


def open_strategies(
    names: Iterable[str], parameters: Mapping[str, Mapping[str, str]]
) -> dict[str, Strategy]:
    """
    Return new strategies by the name that their orders are booked under.

    Each of `names` is an entry point, or `module:Class`, which is booked under the name of the
    class: `opening_drive` for OpeningDrive. `parameters` are texts by strategy and parameter.
    Raise ConfigurationError if a strategy or a parameter does not exist or does not fit.
    """
    opened: dict[str, Strategy] = {}
    for name in names:
        of_name = plugins.load(GROUP, "strategy", name, OURS)
        booked = booked_name(name)
        if not callable(getattr(of_name, "generate_orders", None)):
            raise ConfigurationError(
                f"the strategy {name} has no method generate_orders",
                "name a class with the methods of duckbourse.trading.strategy.Strategy",
            )
        for method in ("generate_orders", "on_start", "on_fill"):
            what = f"{method} of the strategy {name}"
            plugins.refuse_async(what, getattr(of_name, method, None))
        if "." in booked:
            raise ConfigurationError(
                f"the strategy {name} would be booked as {booked}, like a preset of a scanner",
                "give its entry point a name without a dot",
            )
        if booked in opened or booked == BY_HAND:
            raise ConfigurationError(
                f"two strategies would be booked as {booked}"
                if booked in opened
                else f"orders by hand are booked as {booked}",
                "name each strategy once, or give the class another name",
            )
        opened[booked] = _with_parameters(booked, of_name, parameters.get(booked, {}))
    return opened


def misspelled(
    opened: Iterable[str], parameters: Iterable[str], installed: Iterable[str]
) -> list[str]:
    """
    Return a sentence for each strategy with parameters whose name is a slip of one that trades.

    One that is installed, or of a module, has its parameters for another session.
    """
    opened = list(opened)
    others = set(parameters) - {*opened, *map(booked_name, installed)}
    return [
        f"{PARAMETERS_FILE}: {name!r} is not traded, so its parameters are not used;"
        f" did you mean {meant!r}?"
        for name in sorted(others)
        if (meant := nearest(name, opened)) is not None
    ]


def booked_name(name: str) -> str:
    """Return the name that the orders of a strategy are booked under."""
    _, colon, class_name = name.partition(":")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower() if colon else name


def _with_parameters(
    booked: str, of_name: Callable[..., Strategy], given: Mapping[str, str]
) -> Strategy:
    known = {
        name: parameter
        for name, parameter in inspect.signature(of_name).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    init = of_name.__init__ if inspect.isclass(of_name) else of_name
    types = typing.get_type_hints(init)
    values: dict[str, Any] = {}
    for name, text in given.items():
        where = f"{PARAMETERS_FILE}: {booked}, {name}"
        if name not in known:
            raise ConfigurationError(
                f"{where}: {booked} has no such parameter{did_you_mean(name, known)}",
                f"its parameters are {', '.join(known)}" if known else "it has no parameters",
            )
        try:
            values[name] = msgspec.convert(text, types.get(name, str), strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                f"{where}: {text!r} does not fit: {error}", "correct the value, and build again"
            ) from error
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and name not in values
    ]
    if missing:
        raise ConfigurationError(
            f"the strategy {booked} needs {', '.join(missing)}",
            f"add a row to {PARAMETERS_FILE}, and build again",
        )
    try:
        return of_name(**values)
    except BaseException as error:  # whatever its class refuses
        plugins.raise_interruption(error)
        raise ConfigurationError(
            f"the strategy {booked} cannot be opened: {type(error).__name__}: {error}",
            f"its parameters are rows of {PARAMETERS_FILE}",
        ) from error


class Strategies:
    """
    Asks the strategies of an account, each for itself.

    One that raises is not asked again; that is recorded, so people are notified. `on_start` and
    `on_fill` are called where a strategy has them. `context` returns what the strategy of a name
    sees now.
    """

    def __init__(
        self,
        strategies: Mapping[str, Strategy],
        context: Callable[[str], Context],
        record: Callable[[Event], None],
    ) -> None:
        self._strategies = dict(strategies)
        self._context = context
        self._record = record
        self.names = tuple(strategies)
        self.failures: dict[str, str] = {}

    def is_active(self, booked: str) -> bool:
        """Return whether the owner of orders booked under this name may open positions."""
        return owner_of(booked) not in self.failures

    @property
    def have_all_failed(self) -> bool:
        """Whether nothing is left that would open a position."""
        return bool(self.failures) and not self._strategies

    def start(self) -> None:
        """Let each strategy take up the session."""
        for name, strategy in list(self._strategies.items()):
            try:
                if on_start := getattr(strategy, "on_start", None):
                    on_start(self._context(name))
            except BaseException as error:  # user code: it is not asked, and exits continue
                self._fail(name, error)

    def orders(self) -> Iterable[tuple[str, Wanted]]:
        """Ask each strategy in turn; yield its name with what it returns."""
        for name, strategy in list(self._strategies.items()):
            try:
                wanted: object = strategy.generate_orders(self._context(name))
                if not isinstance(wanted, Iterable):
                    raise TypeError(
                        f"generate_orders returned {wanted!r}: return a list, or [] for none"
                    )
                found = [_booked(name, each) for each in wanted]
            except BaseException as error:  # user code: it is not asked again, and exits continue
                self._fail(name, error)
                continue
            for each in found:
                yield name, each

    def on_event(self, event: Event) -> None:
        """Notify a strategy of its fill; one that its trades will replace is not reported."""
        match event:
            case events.FillBooked(fill=fill) if not fill.is_provisional:
                self._on_fill(fill)
            case events.LegsCrossed(fills=fills):
                for fill in fills:
                    self._on_fill(fill)

    def _on_fill(self, fill: Fill) -> None:
        for name, strategy in list(self._strategies.items()):
            on_fill = getattr(strategy, "on_fill", None)
            if on_fill is None:
                continue
            try:
                context = self._context(name)
                order = context.account.orders.get(fill.order_id)
                if order is not None and context.owns(order):
                    on_fill(context, order, fill)
            except BaseException as error:  # user code
                self._fail(name, error)

    def _fail(self, name: str, error: BaseException) -> None:
        plugins.raise_interruption(error)
        log.exception("strategy failed", strategy=name)
        del self._strategies[name]
        self.failures[name] = f"{error!r}"
        self._record(
            events.StrategyFailed(at=clock.now(), strategy=name, detail=self.failures[name])
        )


def _check_values(struct: msgspec.Struct, where: str) -> None:
    """Refuse values that a position could not be looked after with, as nothing else checks them."""
    for name, kind in _types_of(type(struct)).items():
        value, place = getattr(struct, name), f"{where}{name}"
        if not isinstance(value, kind):
            raise TypeError(f"{place} is {value!r}, of type {type(value).__name__}: write {kind}")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{place} is {value}, without a time zone: write an instant in UTC")
        if isinstance(value, Decimal) and not value.is_finite():
            raise ValueError(f"{place} is {value}: write a price")
        if isinstance(value, msgspec.Struct):
            _check_values(value, f"{place}.")


def _booked(name: str, wanted: object) -> Wanted:
    """Return a request under the name of its strategy, so that it opens and closes nothing else."""
    if not isinstance(wanted, Wanted):
        raise TypeError(f"generate_orders returned {wanted!r}: return Request, Close, ChangeExits")
    _check_values(wanted, "")
    if not isinstance(wanted, Request):
        return wanted
    if wanted.reason is not Reason.ENTRY:
        raise ValueError(f"order {wanted.order_id} is an exit: return Close({wanted.symbol!r})")
    if wanted.entry_id is not None:
        raise ValueError(
            f"order {wanted.order_id} has the entry_id {wanted.entry_id!r}, which only exits have:"
            f" leave it out, or return Close({wanted.symbol!r})"
        )
    if owner_of(wanted.strategy) == name:
        return wanted  # that of a signal is booked under its preset
    return replace(wanted, strategy=name)
