"""SQL that means something else than it seems."""

from __future__ import annotations

import re

import duckdb
import pytest

from duckbourse.settings import PROJECT

# `a is null != b is null` means `((a is null) != b) is null`, which is never the intention.
UNBRACKETED = re.compile(
    r"is\s+(not\s+)?null\s*(=|!=|<>|is\s+(not\s+)?distinct)"
    r"|(?<![<>!])(=|!=|<>|distinct\s+from)\s*[\w.]+\s+is\s+(not\s+)?null",
    re.IGNORECASE,
)
FOLDERS = ("models", "macros", "functions", "tests", "analyses", "packages")


def test_null_checks_are_compared_in_brackets() -> None:
    """A comparison of two null checks needs brackets around each."""
    files = [file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.sql")]
    assert len(files) > 300
    wrong = [str(file) for file in files if UNBRACKETED.search(file.read_text())]
    assert wrong == []


@pytest.mark.parametrize("condition", ["a is null != b is null", "a is not null = b is not null"])
def test_without_brackets_the_meaning_differs(condition: str) -> None:
    bracketed = re.sub(r"(\w is (?:not )?null)", r"(\1)", condition)
    assert UNBRACKETED.search(condition)
    assert not UNBRACKETED.search(bracketed)
    values = "from (values (1, 1), (1, null), (null, 1), (null, null)) as t(a, b)"
    plain, right = (
        duckdb.execute(f"select {sql} {values}").fetchall() for sql in (condition, bracketed)
    )
    assert plain != right
