"""
How a vendor writes numbers, and where that can be read two ways.

A mark is a point or a comma. Only the file as a whole tells what one is for: `12,5`, `0,123` and
`1.234,56` have a decimal comma, `1,234,567` has none, and what is told by one number holds for all.
Where none tells, `1,234` is asked for. `1.234` is what it says on any computer, unless something
besides is written as on the continent of Europe: a semicolon between columns, dates such as
02.01.2024. Then it is asked for too.

Three decimals throughout are no reason to ask: yen and forint are quoted so. Vendors of exchange
rates write commas, tabs or 2024.01.02 with them, or stamps such as `20240102 170000` with
semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from duckbourse.errors import BadInput
from duckbourse.ingest.options import Options
from duckbourse.warehouse import quoted

CURRENCY = "$€£¥₹"
# 1.2K, 0.10M, 3.4B: how Investing.com writes volumes
POWERS = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}
SPACES = " \u00a0\u202f"
APOSTROPHES = "'\u2019"
# A price that is a thousand times another of its symbol is read wrongly.
SAME_SIZE, OTHER_SIZE = 5.0, 100.0


@dataclass(frozen=True)
class Marks:
    """What is between whole and part of a number, and between its thousands if anything is."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def note(self) -> str:
        """What to report of it."""
        text = f"numbers have a decimal {'comma' if self.decimal == ',' else 'point'}"
        if self.thousands:
            names = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
            text += f", and {names.get(self.thousands, repr(self.thousands))} between thousands"
        return text


def stated_marks(options: Options) -> Marks | None:
    """Return what a mapping says, one mark told by the other, or None where it says nothing."""
    if options.decimal is None and options.thousands is None:
        return None
    decimal = options.decimal or ("," if options.thousands == "." else ".")
    return Marks(decimal, options.thousands or ("." if decimal == "," else ","))


# What a text without sign, currency and power tells of `here`, the mark in it; `other` is the
# other mark. The order is that in which they are tried.
FORMS = {
    # 1,234.56: `here` is decimal, since the other mark is between thousands
    "decimal": (
        r"[0-9]{{1,3}}({other}[0-9]{{2,3}})*{other}[0-9]{{3}}{here}[0-9]*"
        r"|[0-9]*{here}([0-9]{{0,2}}|[0-9]{{4,}})|(0*|[0-9]{{4,}}){here}[0-9]{{3}}"
    ),
    # 1,234,567: `here` is between thousands
    "thousands": r"[1-9][0-9]{{0,2}}({here}[0-9]{{2,3}})+{here}[0-9]{{3}}",
    # 1,234: either
    "either": r"[1-9][0-9]{{0,2}}{here}[0-9]{{3}}",
}
WHOLE = "[1-9][0-9]{0,2}"


def form(kind: str, here: str) -> str:
    """Return the regular expression of a form, for one of the two marks."""
    other = "." if here == "," else ","
    return FORMS[kind].format(here=re.escape(here), other=re.escape(other))


@dataclass(frozen=True)
class Texts:
    """
    Distinct texts of a file's numbers, by symbol for those of prices; `others` are of columns that
    are not taken, `continental` tells of semicolons and dates.
    """

    numbers: Sequence[str]
    prices: Mapping[str, Sequence[str]]
    others: Sequence[str]
    continental: bool

    def first_match(self, kind: str, here: str, texts: Sequence[str] | None = None) -> str | None:
        """Return the first text of a form, if there is one."""
        pattern = re.compile(form(kind, here))
        bare = ((text, bared(text)) for text in (self.numbers if texts is None else texts))
        return next((text for text, number in bare if pattern.fullmatch(number)), None)


def bared(text: str) -> str:
    """Return a number's text without sign, currency, power and per cent."""
    return re.sub(rf"^[-+\s{CURRENCY}]+|[\s%{CURRENCY}kmbtKMBT]+$", "", text)


def marks_of(texts: Texts) -> Marks | None:
    """Return what the marks are for, or None where the file does not tell."""
    spaced = re.compile(
        rf"[0-9]{{1,3}}(?:([{SPACES}])[0-9]{{3}}|[{APOSTROPHES}][0-9]{{3}})+([.,].*)?"
    )
    point, comma = (
        bool(texts.first_match("decimal", here) or texts.first_match("thousands", other))
        for here, other in ((".", ","), (",", "."))
    )
    if not point and not comma:
        point, comma = (bool(texts.first_match("decimal", here, texts.others)) for here in ".,")
    if not point and not comma:
        point, comma = same_size(texts, "."), same_size(texts, ",")
    if point and comma:
        return None
    matches = (spaced.fullmatch(bared(text)) for text in texts.numbers)
    if groups := next((match for match in matches if match), None):
        mark = " " if groups[1] else "'"
        return Marks("," if comma or (groups[2] or "").startswith(",") else ".", mark)
    if point or comma:
        return Marks(",", ".") if comma else Marks(".", ",")
    return None


def same_size(texts: Texts, decimal: str) -> bool:
    """
    Tell whether a symbol's prices are of one size only if this mark is decimal.

    999 and 1.003 are neighbors if the point is between thousands, and else a thousand times apart.
    """
    other = "." if decimal == "," else ","
    for own in texts.prices.values():
        marked = {
            mark: [bared(t) for t in own if re.fullmatch(form("either", mark), bared(t))]
            for mark in ".,"
        }
        whole = [float(t) for text in own if re.fullmatch(WHOLE, t := bared(text))]
        for mark in ".,":
            if not marked[mark] or not whole:
                continue
            decimals = [float(t.replace(mark, ".")) for t in marked[mark]]
            thousands = [float(t.replace(mark, "")) for t in marked[mark]]
            as_decimal, as_thousands = apart(decimals + whole), apart(thousands + whole)
            if as_decimal <= SAME_SIZE and as_thousands >= OTHER_SIZE and mark == decimal:
                return True
            if as_thousands <= SAME_SIZE and as_decimal >= OTHER_SIZE and mark == other:
                return True
    return False


def apart(prices: Sequence[float]) -> float:
    """Return how many times the least price the greatest is."""
    return max(prices) / min(prices)


def refuse_two_readings(texts: Texts, file: str) -> None:
    """Raise BadInput where a price with a point has two readings, both of them likely."""
    if texts.continental and (found := texts.first_match("either", ".")):
        raise BadInput(
            f"{file}: numbers such as {found!r} may be {bared(found).replace('.', '')} or"
            f" {float(bared(found)):g}: points before three digits, beside what is written as where"
            " points are between thousands",
            "say decimal = ',' (with points between thousands) or decimal = '.' in a mapping",
        )


def two_readings(text: str) -> str | None:
    """Return the remedy for a number with a comma that may be for thousands or decimal."""
    bare = bared(text)
    if not re.fullmatch(form("either", ","), bare):
        return None
    return (
        f"say thousands = ',' in a mapping if {bare} is {bare.replace(',', '')}, or decimal = ','"
        f" if it is {bare.replace(',', '.')}"
    )


def number_sql(text: str, marks: Marks) -> str:
    """Return the SQL of a number's text as DOUBLE, null where it is none."""
    # a sign of currency or a power is rare: looked for only where nothing else can be read
    bare = (
        f"regexp_replace(regexp_replace({text}, '^\\s*([-+]?)\\s*[{CURRENCY}]\\s*', '\\1'),"
        f" '\\s*[{CURRENCY}]?\\s*([kmbt]?)\\s*$', '', 'i')"
    )
    powers = " ".join(f"when '{letter}' then '{power}'" for letter, power in POWERS.items())
    power = f"case lower(right(trim({text}), 1)) {powers} else '' end"
    dressed = (
        f"case when regexp_matches({text}, '[{CURRENCY}]|[0-9.,]\\s*[kmbtKMBT]\\s*$')"
        f" then try_cast({point_decimal_sql(bare, marks)} || {power} as double) end"
    )
    return f"coalesce(try_cast({point_decimal_sql(text, marks)} as double), {dressed})"


def point_decimal_sql(text: str, marks: Marks) -> str:
    """Return a number's text as a computer writes it, null where the marks are at fault."""
    if marks == Marks():
        return text
    grouped = alike = ""
    if marks.thousands:
        alike = {" ": SPACES, "'": APOSTROPHES}.get(marks.thousands, marks.thousands)
        mark = f"[{alike}]"
        # groups of three, before the last also of two (12,34,567.00 in India): 990.5 is no 9905
        # where a point is for thousands
        grouped = rf"|\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}}"
    point = re.escape(marks.decimal)
    number = rf"\s*[-+]?(\d*{grouped})({point}\d*)?(e[-+]?\d+)?\s*"
    left = f"translate({text}, {quoted(alike)}, '')"
    left = f"replace({left}, ',', '.')" if marks.decimal == "," else left
    return f"case when regexp_full_match({text}, {quoted(number)}, 'i') then {left} end"
