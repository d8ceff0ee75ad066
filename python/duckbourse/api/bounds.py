"""What one server may use, and who may ask it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """
    Limits of a server.

    `queries` run at once, each for at most `seconds`; further ones wait for `waiting_seconds`, and
    no more than `waiting` of them. DuckDB uses `memory` and `threads` for all of them, and as much
    memory again for SQL of others, and for a publication that is replaced until its last query has
    ended.
    An answer has at most `rows` rows, and of very wide ones fewer; those of the build are kept, in
    `kept_bytes` all together. A client sends `requests_per_second` on average and twice as many at
    once; commands count apart. `streams` clients follow the events. The head of a request, and its
    body, arrive within their seconds.
    """

    queries: int = 8
    waiting: int = 200
    waiting_seconds: float = 10
    seconds: float = 10
    memory: str = "1GB"
    threads: int = 2
    rows: int = 10_000
    kept_bytes: int = 64_000_000
    requests_per_second: float = 200
    streams: int = 50
    heartbeat_seconds: float = 15
    head_seconds: float = 10
    body_seconds: float = 10
    body_bytes: int = 64_000
    path_bytes: int = 2_000
    query_bytes: int = 4_000
    header_count: int = 64
    header_bytes: int = 16_000


@dataclass(frozen=True)
class Tokens:
    """The secrets of a server: `read` for what reads, `command` for that and for commands too."""

    read: str = field(repr=False)
    command: str | None = field(default=None, repr=False)
