"""A SQL-first market-data warehouse: what lives in time, around what dbt builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckbourse.market import Market, open

__all__ = ["Market", "open"]


def __getattr__(name: str) -> Any:
    # on demand, since every command imports this package and few read the published file
    if name in __all__:
        from duckbourse import market

        return getattr(market, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
