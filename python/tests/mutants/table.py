"""The table of mutants: `mutants.yml`, read and held against the files that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from duckbourse.settings import PROJECT

TABLE = Path(__file__).with_name("mutants.yml")


@dataclass(frozen=True)
class Mutant:
    """One small fault: in `file`, `text` is replaced by `instead`."""

    room: str
    fault: str
    file: str
    text: str
    instead: str
    # what a macro is in, where dbt's graph cannot tell because the macro is called by its name
    models: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        words = "\0".join((self.file, self.text, self.instead, *self.models))
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def applied(self, content: str) -> str:
        """Return a file's content with the fault in it."""
        return content.replace(self.text, self.instead)


def read_table(table: Path = TABLE) -> list[Mutant]:
    """Return all mutants, in the order of the table."""
    rooms = yaml.safe_load(table.read_text())
    return [
        Mutant(
            room,
            " ".join(row["fault"].split()),
            row["file"],
            row["text"],
            row["instead"],
            tuple(row.get("models", ())),
        )
        for room, rows in rooms.items()
        for row in rows
    ]


def lost(mutants: Iterable[Mutant], project: Path = PROJECT) -> list[str]:
    """Return a sentence for each mutant that cannot be planted: its text is not there just once."""
    sentences = []
    for mutant in mutants:
        file = project / mutant.file
        if not file.is_file():
            sentences.append(f"{mutant.file} is gone ({mutant.fault})")
        elif (count := file.read_text().count(mutant.text)) != 1:
            sentences.append(f"{mutant.file} has {mutant.text!r} {count} times ({mutant.fault})")
    return sentences
