"""
Find words that the glossary of CONTRIBUTING.md retires, with the trade's word for each.

    .venv/bin/python python/hooks/banned_words.py FILE…

Prints a line for each and exits with 1 if there are any. Names in snake_case count as one word.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# pattern -> what to write; matched as whole words, in any case
BANNED = {
    r"told|tells?|telling": "report, receive, event, notify",
    r"hears?|heard": "receive, event",
    r"wish|wishes|wished": "order request, intended order",
    r"(?<!christmas )eves?": "prior session",
    r"anew": "again",
    r"so far": "to the cutoff, to date",
    r"reckon|reckons|reckoned|reckoning": "compute, mark, value",
    r"judges?|judged|judging": "check",
    r"(?<!trading )rooms?": "layer, folder",
    r"laws?": "invariant, data test",
    r"houses?(?! style)": "project",
    r"doors?": "boundary, gateway",
    r"(?<!trading )desks?": "session folder",
    r"luck|lucky": "chance",
    r"loss(?:es)? beyond": "VaR breaches, exceedances",
    r"makes? of 1": "growth of 1",
    r"but for": "except for, without",
    r"at the least": "at least",
    r"as it came|as they came": "unchanged, on arrival",
    r"was had|were had": "name who had it",
    r"none is(?! set)": "a whole sentence",
    r"look-back|look-backs": "lookback",
    r"per cents?": "percent",
    r"(?:un)?favour\w*": "favorable",
    r"colou?red?|colours?": "color",
    r"behaviours?": "behavior",
    r"neighbours?|neighbouring": "neighbor",
    r"licences?": "license",
    r"centres?|centred": "center",
    r"\w+(?:ard|ual|gn|in|um|ym|al)is(?:ed?|es|ing|ation)": "-ize, -ization",
}
FOUND = [
    (re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE), instead)
    for pattern, instead in BANNED.items()
]
# ordinary English that a pattern would take for British spelling
FINE = re.compile(r"(?:prom|prem|fin|advert|min)is\w*|colored?", re.IGNORECASE)
# these quote the words
EXEMPT = ("CONTRIBUTING.md", "CHANGELOG.md", "python/hooks/banned_words.py", "test_banned_words.py")
# others wrote what is there
VENDORED = "packages/"


def banned_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of a line, the word that stands there, and what to write."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, instead in FOUND:
            for match in pattern.finditer(line):
                if not FINE.fullmatch(match[0]):
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
