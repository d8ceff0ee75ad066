"""The progress of a command that reads or writes files, with the time left."""

from __future__ import annotations

from rich.markup import escape
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from duckbourse import clock
from duckbourse.cli.output import notes

# between two lines where there is no terminal
LINE_SECONDS = 10


class Display:
    """A progress bar with the remaining time; elsewhere than on a terminal, a line now and then."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=notes,
            transient=True,
            disable=quiet or not notes.is_terminal,
        )
        self.task = self.bar.add_task("reading", total=None)
        self.total = 0.0
        self.began = self.printed = clock.elapsed_seconds()

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.bar.stop()

    def begin(self, total: float) -> None:
        self.total = total
        self.began = clock.elapsed_seconds()
        self.bar.reset(self.task, total=total)

    def at(self, file: str, done: float) -> None:
        self.bar.update(self.task, description=escape(file[-40:]), completed=done)
        if not self.bar.disable or self.quiet:
            return
        now = clock.elapsed_seconds()
        if now - self.printed >= LINE_SECONDS and 0 < done <= self.total:
            self.printed = now
            left = (now - self.began) * (self.total / done - 1)
            notes.print(f"{100 * done / self.total:.0f}%, ~{left:.0f} s left: {file}", markup=False)
