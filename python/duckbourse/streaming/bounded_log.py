"""What a vendor sends, in the log: few lines a minute, short, and without control characters."""

from __future__ import annotations

from collections import deque
from typing import Any

import structlog

from duckbourse import clock
from duckbourse.words import printable

log = structlog.get_logger()

MAX_PER_MINUTE = 10


class BoundedLog:
    """Logs at most `max_per_minute` lines a minute; the next line counts those left out."""

    def __init__(self, max_per_minute: int = MAX_PER_MINUTE) -> None:
        self._per_minute = max_per_minute
        self._logged: deque[float] = deque()
        self._left_out = 0

    def error(self, event: str, **fields: Any) -> None:
        """Log an error, with its fields as printable text."""
        self._log("error", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log a warning, with its fields as printable text."""
        self._log("warning", event, fields)

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        now = clock.elapsed_seconds()
        while self._logged and now - self._logged[0] >= 60:
            self._logged.popleft()
        if len(self._logged) >= self._per_minute:
            self._left_out += 1
            return
        self._logged.append(now)
        shown = {name: printable(str(value)) for name, value in fields.items()}
        if self._left_out:
            shown["left_out"] = f"{self._left_out:,} lines like this"
            self._left_out = 0
        getattr(log, level)(event, **shown)
