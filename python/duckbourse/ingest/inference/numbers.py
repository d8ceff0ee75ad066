"""
How a vendor writes numbers, and whether they have two readings.

A mark is a point or a comma, and its meaning is inferred from the whole file: `12,5`, `0,123` and
`1.234,56` have a decimal comma, `1,234,567` does not, and one such number decides for all. If none
decides, `1,234` is an error that asks. `1.234` is a decimal point, as on any computer, unless
something else is written as in continental Europe, such as semicolons between columns or dates like
02.01.2024; then it is an error that asks, too.

Three decimals throughout are not ambiguous: yen and forint are quoted so. Vendors of exchange rates
write them with commas, tabs or 2024.01.02, or with semicolons and timestamps such as
`20240102 170000`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from duckbourse.errors import BadInput
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.options import Options
from duckbourse.warehouse import quoted

CURRENCY = "$€£¥₹"
# 1.2K, 0.10M, 3.4B: how Investing.com writes volumes
POWERS = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}
SPACES = " \u00a0\u202f"
APOSTROPHES = "'\u2019"
# A price a thousand times as high as another of its symbol was misread.
SAME_SIZE, OTHER_SIZE = 5.0, 100.0


@dataclass(frozen=True)
class Marks:
    """The decimal mark and the thousands separator, if any."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def note(self) -> str:
        """The note for the report."""
        text = f"numbers have a decimal {'comma' if self.decimal == ',' else 'point'}"
        if self.thousands:
            names = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
            text += f", and {names.get(self.thousands, repr(self.thousands))} separate thousands"
        return text


def stated_marks(options: Options) -> Marks | None:
    """Return the marks of a mapping, one inferred from the other; None if it states neither."""
    if options.decimal is None and options.thousands is None:
        return None
    decimal = options.decimal or ("," if options.thousands == "." else ".")
    return Marks(decimal, options.thousands or ("." if decimal == "," else ","))


# What a text without sign, currency and power shows about `here`, the mark in it; `other` is the
# other mark. They are tried in this order.
FORMS = {
    # 1,234.56: `here` is decimal, since the other mark separates thousands
    "decimal": (
        r"[0-9]{{1,3}}({other}[0-9]{{2,3}})*{other}[0-9]{{3}}{here}[0-9]*"
        r"|[0-9]*{here}([0-9]{{0,2}}|[0-9]{{4,}})|(0*|[0-9]{{4,}}){here}[0-9]{{3}}"
    ),
    # 1,234,567: `here` separates thousands
    "thousands": r"[1-9][0-9]{{0,2}}({here}[0-9]{{2,3}})+{here}[0-9]{{3}}",
    # 1,234: either
    "either": r"[1-9][0-9]{{0,2}}{here}[0-9]{{3}}",
}
WHOLE = "[1-9][0-9]{0,2}"


def form(kind: str, here: str) -> str:
    """Return the regular expression of a form for one of the two marks."""
    other = "." if here == "," else ","
    return FORMS[kind].format(here=re.escape(here), other=re.escape(other))


@dataclass(frozen=True)
class Texts:
    """
    Distinct texts of a file's numbers, prices by symbol. `others` are from unused columns;
    `continental` is whether semicolons or dates suggest continental Europe.
    """

    numbers: Sequence[str]
    prices: Mapping[str, Sequence[str]]
    others: Sequence[str]
    continental: bool

    def first_match(self, kind: str, here: str, texts: Sequence[str] | None = None) -> str | None:
        """Return the first text that matches a form, if any."""
        pattern = re.compile(form(kind, here))
        bare = ((text, bare_number(text)) for text in (self.numbers if texts is None else texts))
        return next((text for text, number in bare if pattern.fullmatch(number)), None)


def bare_number(text: str) -> str:
    """Return a number's text without sign, currency, power and percent sign."""
    return re.sub(rf"^[-+\s{CURRENCY}]+|[\s%{CURRENCY}kmbtKMBT]+$", "", text)


def infer_marks(texts: Texts) -> Marks | None:
    """Return the meaning of the marks, or None if the file does not decide it."""
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
    matches = (spaced.fullmatch(bare_number(text)) for text in texts.numbers)
    if groups := next((match for match in matches if match), None):
        mark = " " if groups[1] else "'"
        return Marks("," if comma or (groups[2] or "").startswith(",") else ".", mark)
    if point or comma:
        return Marks(",", ".") if comma else Marks(".", ",")
    return None


def same_size(texts: Texts, decimal: str) -> bool:
    """
    Return whether a symbol's prices have similar sizes only if this mark is decimal.

    999 and 1.003 are close if the point separates thousands, and a factor of 1,000 apart if not.
    """
    other = "." if decimal == "," else ","
    for own in texts.prices.values():
        marked = {
            mark: [
                bare_number(t) for t in own if re.fullmatch(form("either", mark), bare_number(t))
            ]
            for mark in ".,"
        }
        whole = [float(t) for text in own if re.fullmatch(WHOLE, t := bare_number(text))]
        for mark in ".,":
            if not marked[mark] or not whole:
                continue
            decimals = [float(t.replace(mark, ".")) for t in marked[mark]]
            thousands = [float(t.replace(mark, "")) for t in marked[mark]]
            as_decimal, as_thousands = (
                high_to_low_ratio(decimals + whole),
                high_to_low_ratio(thousands + whole),
            )
            if as_decimal <= SAME_SIZE and as_thousands >= OTHER_SIZE and mark == decimal:
                return True
            if as_thousands <= SAME_SIZE and as_decimal >= OTHER_SIZE and mark == other:
                return True
    return False


def high_to_low_ratio(prices: Sequence[float]) -> float:
    """Return the ratio of the highest price to the lowest."""
    return max(prices) / min(prices)


def refuse_two_readings(texts: Texts, file: VendorFile) -> None:
    """Raise BadInput if a price with a point has two plausible readings."""
    if texts.continental and (found := texts.first_match("either", ".")):
        raise BadInput(
            f"{file}: numbers such as {found!r} may be {bare_number(found).replace('.', '')} or"
            f" {float(bare_number(found)):g}: three digits follow the point, in a file written as"
            " where points separate thousands",
            "set decimal = ',' (points separate thousands) or decimal = '.' in a mapping",
        )


def two_readings(text: str) -> str | None:
    """Return the remedy for a number whose comma may separate thousands or be decimal."""
    bare = bare_number(text)
    if not re.fullmatch(form("either", ","), bare):
        return None
    return (
        f"set thousands = ',' in a mapping if {bare} is {bare.replace(',', '')}, or decimal = ','"
        f" if it is {bare.replace(',', '.')}"
    )


def number_sql(text: str, marks: Marks) -> str:
    """Return SQL for a number's text as DOUBLE, NULL if it is not a number."""
    # currency signs and powers are rare, so they are tried only if all else fails
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
    """Return SQL for a number's text with a decimal point only, NULL if its marks are wrong."""
    if marks == Marks():
        return text
    grouped = alike = ""
    if marks.thousands:
        alike = {" ": SPACES, "'": APOSTROPHES}.get(marks.thousands, marks.thousands)
        mark = f"[{alike}]"
        # groups of three, and of two before the last (12,34,567.00 in India): 990.5 is not 9905
        # where points separate thousands
        grouped = rf"|\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}}"
    point = re.escape(marks.decimal)
    number = rf"\s*[-+]?(\d*{grouped})({point}\d*)?(e[-+]?\d+)?\s*"
    left = f"translate({text}, {quoted(alike)}, '')"
    left = f"replace({left}, ',', '.')" if marks.decimal == "," else left
    return f"case when regexp_full_match({text}, {quoted(number)}, 'i') then {left} end"
