"""A check's refusal."""

from __future__ import annotations


class OrderDeniedError(Exception):
    """An order may not be sent: the code of the check, and both numbers."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
