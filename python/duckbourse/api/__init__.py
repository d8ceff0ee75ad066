"""The HTTP API of `./bourse serve`: a publication to read, and a trading loop to watch and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duckbourse.api.bounds import Bounds, Tokens

if TYPE_CHECKING:
    from duckbourse.api.app import create_app

__all__ = ["Bounds", "Tokens", "create_app"]


def __getattr__(name: str) -> Any:
    # on demand: a process that answers SQL of others begins sooner without the application
    if name == "create_app":
        from duckbourse.api.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
