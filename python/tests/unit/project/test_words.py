"""One helper counts, so that no message says "1 rows"."""

from __future__ import annotations

import re

import pytest

from duckbourse.settings import PROJECT
from duckbourse.words import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows")]
)
def test_one_is_singular(count: int, said: str) -> None:
    assert counted(count, "row") == said
    assert counted(count, "entry", "entries") == said.replace("rows", "entries").replace(
        "row", "entry"
    )


HANDMADE = re.compile(
    r"""(["'])s\1\ ?(\*|if\b) | else\ ?(["'])s\3 | \{len\([^{}]*\)[^{}]*\}\ [a-z]{3,}s\b""",
    re.VERBOSE,
)


@pytest.mark.parametrize(
    "line",
    [
        """f"row{'s' if rows != 1 else ''}" """,
        """"row" + "s" * (n > 1)""",
        """f"row{'' if n == 1 else 's'}" """,
        """f"{len(rows)} rows" """,
        """f"{len(rows):,} rows" """,
    ],
)
def test_a_handmade_plural_is_found(line: str) -> None:
    assert HANDMADE.search(line)
    assert not HANDMADE.search('f"{counted(len(rows), "row")} are, {len(rows)} as"')


def test_no_message_makes_its_own_plural() -> None:
    ours = PROJECT / "python" / "duckbourse"
    handmade = [
        f"{path.relative_to(ours)}:{number}"
        for path in sorted(ours.rglob("*.py"))
        if path.name != "words.py"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if HANDMADE.search(line)
    ]
    assert handmade == []
