"""
Find words that the glossary of CONTRIBUTING.md retires, and British spelling, with what to write.

    .venv/bin/python python/hooks/banned_words.py FILE…

Prints a line for each and exits with 1 if there are any. The words of a name in snake_case
are found too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).parents[2] / "CONTRIBUTING.md"
# pattern -> the American spelling; matched as whole words, in any case
SPELLING = {
    r"(?:un)?favour\w*": "favorable",
    r"colou?red?|colours?": "color",
    r"behaviours?": "behavior",
    r"neighbours?|neighbouring": "neighbor",
    r"licences?": "license",
    r"centres?|centred": "center",
    r"(?:\w+_)?catalogue\w*": "catalog",
    r"\w+(?:ard|ual|gn|in|um|ym|al)is(?:ed?|es|ing|ation)": "-ize, -ization",
}
# ordinary English, and trade names, that a retired word or a pattern is part of
FINE = re.compile(
    r"(?:prom|prem|fin|advert|min)is\w*|colored?"
    r"|trading (?:rooms?|desks?)|house style|christmas eve|none is set",
    re.IGNORECASE,
)
# these quote the words
EXEMPT = ("CONTRIBUTING.md", "CHANGELOG.md", "python/hooks/banned_words.py", "test_banned_words.py")
# others wrote what is there
VENDORED = "packages/"


def retired_words(glossary: str) -> dict[str, str]:
    """Return each word that the glossary retires in every sense, with what to write."""
    table = glossary.split("| retired | write | where |\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines()[1:]]
    return {
        word: instead for words, instead in rows for word in words.split(", ") if "(" not in word
    }


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    words = retired_words(GLOSSARY.read_text(encoding="utf-8"))
    found = [(_whole(word), instead) for word, instead in words.items()]
    found += [(_within_names(pattern), instead) for pattern, instead in SPELLING.items()]
    return [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in found]


def _whole(word: str) -> str:
    # of a name, such as lookback_days, another may be a part: min_lookback_days
    if "_" in word:
        return rf"\b{word}\b"
    return _within_names(re.escape(word).replace(r"\ ", "[ _]"))


def _within_names(pattern: str) -> str:
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"


def banned_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of a line, the word that stands there, and what to write."""
    for number, line in enumerate(text.splitlines(), start=1):
        fine = [match.span() for match in FINE.finditer(line)]
        for pattern, instead in _patterns():
            for match in pattern.finditer(line):
                if not any(start <= match.start() and match.end() <= end for start, end in fine):
                    yield number, match[0], instead


def main(names: list[str]) -> int:
    """Print what is found in the files, and return the exit code."""
    lines = [
        f"{name}:{number}: {word!r}: write {instead}"
        for name in names
        if not name.endswith(EXEMPT) and not name.startswith(VENDORED)
        for number, word, instead in banned_words(Path(name).read_text(encoding="utf-8"))
    ]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
