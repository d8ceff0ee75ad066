"""The tables of mutants: reads them and checks them against the files that they name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from duckbourse.settings import PROJECT

TABLE = Path(__file__).with_name("mutants.yml")
# those of the trading runtime, each with the tests that catch it
RUNTIME = Path(__file__).with_name("runtime.yml")


@dataclass(frozen=True)
class Mutant:
    """One small fault: in `file`, `text` is replaced by `instead`."""

    layer: str
    fault: str
    file: str
    text: str
    instead: str
    # the models with a macro, if dbt's graph lacks them because the macro is called by name
    models: tuple[str, ...] = ()
    # the tests that catch a fault of the runtime, as pytest names them
    tests: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        words = "\0".join((self.file, self.text, self.instead, *self.models))
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def applied(self, content: str) -> str:
        """Return a file's content with the fault."""
        return content.replace(self.text, self.instead)


def read_table(table: Path = TABLE) -> list[Mutant]:
    """Return all mutants, in the order of the table."""
    layers = yaml.safe_load(table.read_text())
    return [
        Mutant(
            layer,
            " ".join(row["fault"].split()),
            row["file"],
            row["text"],
            row["instead"],
            tuple(row.get("models", ())),
            tuple(row.get("tests", ())),
        )
        for layer, rows in layers.items()
        for row in rows
    ]


def lost(mutants: Iterable[Mutant], project: Path = PROJECT) -> list[str]:
    """Return a sentence for each mutant whose text is not in its file exactly once."""
    sentences = []
    for mutant in mutants:
        file = project / mutant.file
        if not file.is_file():
            sentences.append(f"{mutant.file} is gone ({mutant.fault})")
        elif (count := file.read_text().count(mutant.text)) != 1:
            sentences.append(f"{mutant.file} has {mutant.text!r} {count} times ({mutant.fault})")
    return sentences
