"""
Waiting on machines of any speed, and killing a process in the middle of its work.

Tests wait for events, not for a number of seconds. `HANG_SECONDS` only ends a test that would hang
forever, and is longer than any load can delay one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from duckbourse import clock

HANG_SECONDS = 300


def wait_until(has_happened: Callable[[], bool]) -> None:
    """Poll until it has happened; fail if it never does."""
    began = clock.elapsed_seconds()
    while not has_happened():
        assert clock.elapsed_seconds() - began < HANG_SECONDS, "it never happened"
        time.sleep(0.001)


def die_after(cpu_seconds: float) -> None:
    """
    Kill this process after this much CPU time; 0 kills it at once.

    SIGPROF, which has no handler here, ends it as SIGKILL would. It is sent after CPU seconds, not
    wall-clock seconds, and so reaches the same part of the work on a busy machine.
    """
    if cpu_seconds <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


DEATHS = (-signal.SIGKILL, -signal.SIGPROF)
