"""The exception with which a pre-trade check denies an order."""

from __future__ import annotations


class OrderDeniedError(Exception):
    """The order may not be sent: `code` names the check, `detail` has both numbers."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
