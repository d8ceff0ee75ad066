"""Classes and functions of others: entry points of installed packages, or `module:name`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from duckbourse.errors import ConfigurationError
from duckbourse.names import did_you_mean


def load(group: str, noun: str, name: str, ours: Mapping[str, Any]) -> Any:
    """
    Return what a name of a group of entry points stands for: ours, a package's, or `module:name`.

    A module is looked for in the current folder too. Raise ConfigurationError if there is no such
    thing, or if its module cannot be imported.
    """
    if name in ours:
        return ours[name]
    try:
        if ":" in name:
            return _of_module(noun, name)
        found = {point.name: point for point in entry_points(group=group)}
        if name in found:
            return found[name].load()
    except ConfigurationError:
        raise
    except Exception as error:  # whatever its module does
        raise ConfigurationError(
            f"the {noun} {name} cannot be imported: {type(error).__name__}: {error}",
            "mend its module, or choose another one",
        ) from error
    known = sorted({*ours, *found})
    raise ConfigurationError(
        f"there is no {noun} {name!r}{did_you_mean(name, known)}",
        f"choose among {', '.join(known)}, or name a class as module:Class"
        if known
        else f"name one as module:name, or install a package with an entry point of {group}",
    )


def installed(group: str) -> dict[str, Any]:
    """Return everything that installed packages provide for a group, by name."""
    return {
        point.name: load(group, "entry point", point.name, {})
        for point in entry_points(group=group)
    }


def refuse_async(what: str, function: object) -> None:
    """Raise ConfigurationError for a coroutine function, which nobody here would await."""
    for each in (function, getattr(function, "__call__", None)):  # noqa: B004
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise ConfigurationError(
                f"{what} is an `async def`, which is called and never awaited, so it would not run",
                "write it with `def`; it may start a task of its own",
            )


def _of_module(noun: str, name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    is_added = here not in sys.path
    if is_added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    finally:
        if is_added:
            sys.path.remove(here)
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise ConfigurationError(
            f"{module_name} has no {noun} {attribute!r}{did_you_mean(attribute, public)}",
            f"name what is in {module.__file__}",
        )
    return getattr(module, attribute)
