"""Classes and functions of others: entry points of installed packages, or `module:name`."""

from __future__ import annotations

import asyncio
import dis
import importlib
import inspect
import signal
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from duckbourse.errors import ConfigurationError
from duckbourse.names import did_you_mean

COROUTINES = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


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
    except BaseException as error:  # whatever its module does
        raise_interruption(error)
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


def names(group: str) -> set[str]:
    """Return the names of what installed packages provide for a group, without loading it."""
    return {point.name for point in entry_points(group=group)}


def refuse_async(what: str, function: object) -> None:
    """Raise ConfigurationError for a coroutine function, which nobody here would await."""
    for each in (function, getattr(function, "__call__", None)):  # noqa: B004
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise ConfigurationError(
                f"{what} is an `async def`, which is called and never awaited, so it would not run",
                "write it with `def`; it may start a task of its own",
            )


def raise_interruption(error: BaseException) -> None:
    """
    Raise the error again if it is no failure of the code that it came from, but ends the process.

    That is a signal, the cancellation of the task that runs, and the closing of a coroutine. Code
    of others also raises SystemExit, KeyboardInterrupt and the like by itself.
    """
    match error:
        case GeneratorExit() if _is_of_closing(error):
            raise error
        case asyncio.CancelledError():
            task = asyncio.current_task() if _is_in_loop() else None
            if task is not None and task.cancelling():
                raise error
        case KeyboardInterrupt() if _is_of_signal(error):
            raise error


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_of_signal(error: KeyboardInterrupt) -> bool:
    """Return whether a handler of a signal raised it; Python's own one is not in the traceback."""
    handlers: list[Any] = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    if signal.default_int_handler in handlers and not _has_raise_statement(error):
        return True
    return _raised_in(error) in map(_code_of, handlers)


def _is_of_closing(error: GeneratorExit) -> bool:
    """Return whether a coroutine that waits is being closed; code of others raises it itself."""
    trace = _innermost(error)
    if trace is None or not trace.tb_frame.f_code.co_flags & COROUTINES:
        return False
    return not _has_raise_statement(error)


def _has_raise_statement(error: BaseException) -> bool:
    """Return whether a `raise` in Python raised it, and not the interpreter or an extension."""
    trace = _innermost(error)
    raising = dis.opmap["RAISE_VARARGS"]
    return trace is not None and trace.tb_frame.f_code.co_code[trace.tb_lasti] == raising


def _raised_in(error: BaseException) -> CodeType | None:
    trace = _innermost(error)
    return trace and trace.tb_frame.f_code


def _innermost(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _code_of(handler: Any) -> object:
    while isinstance(handler, partial):
        handler = handler.func
    return getattr(handler, "__code__", None)


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
