"""The HTTP API of `./bourse serve`: a publication to read, and a trading loop to watch and stop."""

from duckbourse.api.app import create_app
from duckbourse.api.bounds import Bounds, Tokens

__all__ = ["Bounds", "Tokens", "create_app"]
