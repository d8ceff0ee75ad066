"""The commands of `./bourse`."""

__all__: list[str] = []
