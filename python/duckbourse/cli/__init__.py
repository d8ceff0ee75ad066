"""The commands of `./bourse`, one module each."""

__all__: list[str] = []
