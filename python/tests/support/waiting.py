"""
How a test waits on a machine of any speed, and how a process is killed in the midst of its work.

No test waits so many seconds: it waits for what happens. `HANG_SECONDS` only ends one that would
hang for ever, and is so long that no load reaches it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from duckbourse import clock

HANG_SECONDS = 300


def wait_until(has_happened: Callable[[], bool]) -> None:
    """Look again and again until it has happened; fail where it never does."""
    began = clock.elapsed_seconds()
    while not has_happened():
        assert clock.elapsed_seconds() - began < HANG_SECONDS, "it never happened"
        time.sleep(0.001)


def die_after(cpu_seconds: float) -> None:
    """
    Let this process die once it has worked for so long, with 0 at once.

    SIGPROF, which nobody handles here, ends it as SIGKILL does, and is sent after seconds of work,
    not of the wall: on a busy machine too it comes in the same part of the work.
    """
    if cpu_seconds <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


DEATHS = (-signal.SIGKILL, -signal.SIGPROF)
