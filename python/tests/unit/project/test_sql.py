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
# a tag of Jinja without a blank inside
NARROW_TAG = re.compile(r"\{[{%]-?(?![-\s])|(?<![-\s])-?[}%]\}")
FOLDERS = ("models", "macros", "functions", "tests", "analyses", "packages")


def test_null_checks_are_compared_in_brackets() -> None:
    """A comparison of two null checks needs brackets around each."""
    files = [file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.sql")]
    assert len(files) > 300
    wrong = [str(file) for file in files if UNBRACKETED.search(file.read_text())]
    assert wrong == []


def test_what_sqlfluff_renders_or_ignores_has_its_lines_and_blanks() -> None:
    """Of a query that is one call of a macro, sqlfluff would see nothing else."""
    files = [file for folder in ("models", "tests") for file in (PROJECT / folder).rglob("*.sql")]
    assert len(files) > 200
    assert [str(file) for file in files if badly_laid_out(file.read_text())] == []
    for wrong in (
        "a\n\n",
        "a",
        "a" * 101 + "\n",
        "{{a }}\n",
        "{{ a}}\n",
        "{%- if a -%}\n{%-a -%}\n",
    ):
        assert badly_laid_out(wrong), wrong


def badly_laid_out(sql: str) -> bool:
    return (
        not sql.endswith("\n")
        or sql.endswith("\n\n")
        or any(len(line) > 100 for line in sql.splitlines())
        or NARROW_TAG.search(sql) is not None
    )


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
