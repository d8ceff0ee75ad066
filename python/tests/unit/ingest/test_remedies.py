"""
Every printed remedy works: after following it, the file is delivered.

The last test collects the remedies from the code of the ingest: a new one needs a case here.
"""

from __future__ import annotations

import ast
import gzip
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from duckbourse.errors import BourseError, ConfigurationError
from duckbourse.ingest import Outcome, documents, files, lines, options, rows, run, tables
from duckbourse.ingest.inference import dialect, layout, numbers, timestamp_formats
from tests.support.stores import HEADER, Shop, minutes
from tests.unit.ingest.test_formats import archive

GOOD = "\n".join([HEADER, *(f"2024-01-0{day},1,2,1,2,5" for day in (2, 3, 4))])
CLOSES = "\n".join([HEADER, "2024-01-02,,,,1,", "2024-01-03,,,,1,"])
NOISE = gzip.compress((GOOD + "\n2024-01-05,1,2,1,2,5" * 999).encode())
SIX = [[1_704_153_600_000 + 60_000 * n, 2, 4, 1, 3, 5] for n in range(4)]
DAY_OF_ONES = {name: 1 for name in ("open", "high", "low", "close", "volume")}
DHAN = {name: [1, 1] for name in ("open", "high", "low", "close", "volume")}


def table(header: str, *lines: str) -> str:
    return "\n".join([header, *lines])


@dataclass(frozen=True)
class Case:
    """
    A file that is refused, and what its remedy demands: options, a mapping, or another file.

    `stated` holds for both attempts; an `absent` file does not exist at first.
    """

    content: str | bytes
    name: str = "T.csv"
    stated: dict[str, Any] = field(default_factory=lambda: {"calendar": "XNYS"})
    mapped: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    mapping: str = ""
    better: str | bytes | None = None
    better_name: str = ""
    absent: bool = False


ANY: dict[str, Any] = {}
DAY_OR_MONTH = table(HEADER, *(f"0{day}/01/2024,1,2,1,2,5" for day in (2, 3, 4)))
SHORT_YEAR = table(HEADER, "24-07-23,1,2,1,2,5")
UTC_MINUTES = table(HEADER, *minutes("2024-07-08", "13:30", 390))
UTC_DAYS = table(HEADER, *(f"2024-01-0{day} 18:30:00,1,2,1,2,5" for day in (1, 2, 3)))
COMMAS = table(HEADER, '2024-01-02,"1,234","1,240","1,230","1,239",500')
POINTS = table(HEADER.replace(",", ";"), "02.01.2024;3.000;3.018;2.962;2.978;5")
UNNAMED = table("2024-01-02,1,2,1,2", "2024-01-03,1,2,1,2")
LARGE = table(HEADER, "2024-01-02,2500000000,2600000000,2400000000,2550000000,5")
FIVE = ["date", "time", "open", "high", "low", "close"]
MINUTE = table(HEADER, *minutes("2024-01-02", "11:00", 60))

CASES: dict[str, Case] = {
    "binary": Case(b"\x89PNG\0", better=GOOD),
    "blank": Case("\n \n", better=GOOD),
    "empty": Case("", better=GOOD),
    "empty gzip": Case(gzip.compress(b""), "T.csv.gz", better=gzip.compress(GOOD.encode())),
    "no header": Case(UNNAMED, mapping="names = ['date', 'open', 'high', 'low', 'close']"),
    "no header, other columns": Case(
        "2024-01-02,09:30,1,2,1,2\n2024-01-02,09:31,1,2,1,2",
        mapping=f"names = {FIVE}",
        options={"bar_label": "start"},
    ),
    "fewer names than columns": Case(
        table("date,open,high,low,close", "2024-01-02,09:30,1,2,1,2", "2024-01-02,09:31,1,2,1,2"),
        mapping=f"names = {FIVE}\nskip_lines = 1",
        options={"bar_label": "start"},
    ),
    "words": Case("Dear Sir,\nbars\n", better=GOOD),
    "words for columns": Case(
        table("Tag;Auf;Hoch;Tief;Zu", "2024-01-02;1;2;1;2"),
        mapping="[columns]\ntimestamp='Tag'\nopen='Auf'\nhigh='Hoch'\nlow='Tief'\nclose='Zu'",
    ),
    "only a header": Case(HEADER, better=GOOD),
    "no close": Case(
        table("date,open,high,low,settle", "2024-01-02,1,2,1,2"),
        mapping="columns.close = 'settle'",
    ),
    "no date": Case(
        table("sitting,open,high,low,close", "2024-01-02,1,2,1,2"),
        mapping="columns.timestamp = 'sitting'",
    ),
    "no open": Case(
        table("date,first,high,low,close", "2024-01-02,1,2,1,2"), mapping="columns.open = 'first'"
    ),
    "no open, adjusted": Case(
        table("date,close", "2024-01-02,1"), options={"kind": "adjusted_close"}
    ),
    "no open in any row": Case(CLOSES, options={"kind": "adjusted_close"}),
    "a column that is not there": Case(
        GOOD, mapped="columns.close = 'x'", mapping="columns.close = 'close'"
    ),
    "day or month": Case(DAY_OR_MONTH, mapping="date_format = '%d/%m/%Y'"),
    "month or day": Case(DAY_OR_MONTH, mapping="date_format = '%m/%d/%Y'"),
    "day or year": Case(SHORT_YEAR, mapping="date_format = '%d-%m-%y'"),
    "year or day": Case(SHORT_YEAR, mapping="date_format = '%y-%m-%d'"),
    "an unknown format": Case(
        table(HEADER, "09h15 2/1/2024,1,2,1,2,5", "09h16 2/1/2024,1,2,1,2,5"),
        mapping="date_format = '%Hh%M %d/%m/%Y'\nbar_label = 'start'",
    ),
    "points, thousands": Case(POINTS, mapping="decimal = ','"),
    "points, decimal": Case(POINTS, mapping="decimal = '.'"),
    "commas, thousands": Case(COMMAS, mapping="thousands = ','"),
    "commas, decimal": Case(COMMAS, mapping="decimal = ','"),
    "billionths": Case(LARGE, options={"price_scale": 1e-9}),
    "billionths, mapped": Case(LARGE, mapping="price_scale = 1e-9"),
    "large prices": Case(LARGE, options={"price_scale": 1}),
    "a wrong date_format": Case(
        GOOD, mapped="date_format = '%d %m'", mapping="date_format = '%Y-%m-%d'"
    ),
    "no symbols": Case(table(f"symbol,{HEADER}", ",2024-01-02,1,2,1,2,5"), options={"symbol": "A"}),
    "no symbols, another column": Case(
        table(f"symbol,{HEADER},who", ",2024-01-02,1,2,1,2,5,A"), mapping="columns.symbol = 'who'"
    ),
    "volumes in words": Case(
        table(HEADER, *(f"2024-01-0{day},1,2,1,2,many" for day in (2, 3))),
        mapping="columns.volume = ''",
    ),
    "prices in words": Case(
        table(f"{HEADER},first", "2024-01-02,one,2,1,2,5,1"), mapping="columns.open = 'first'"
    ),
    "some rows that are none": Case(GOOD + "\n2024-01-05,1,2", options={"max_unreadable_pct": 25}),
    "some rows, mended": Case(GOOD + "\n2024-01-05,1,2", better=GOOD),
    "JSON of something else": Case(
        '{"data": {"orders": []}}',
        "T.json",
        better=json.dumps([{"date": "2024-01-02", **DAY_OF_ONES}]),
        options={"kind": "daily"},
    ),
    "an answer of another symbol": Case(
        json.dumps({"symbol": "A", "data": [{"date": "2024-01-02", **DAY_OF_ONES}] * 2}),
        "T.json",
        stated={"calendar": "XNYS", "kind": "daily", "symbol": "B"},
        options={"symbol": None},
    ),
    "no symbol in its name": Case(GOOD, "history.csv", options={"symbol": "A"}),
    "no symbol in its name, called by it": Case(GOOD, "history.csv", better_name="A.csv"),
    "a vendor's error": Case(
        '{"status": "error", "message": "no"}',
        "T.json",
        better=json.dumps({**DHAN, "timestamp": [1_704_133_800, 1_704_220_200]}),
    ),
    "JSON cut short": Case('{"data": {"candles": [[', "T.json", better=json.dumps(SIX)),
    "arrays of two lengths": Case(
        json.dumps({**DHAN, "timestamp": [1]}),
        "T.json",
        better=json.dumps({**DHAN, "timestamp": [1_704_133_800, 1_704_220_200]}),
    ),
    "lists of another length": Case(
        json.dumps([[*row, 1, 1] for row in SIX]),
        "T.json",
        mapping="names = ['timestamp', 'open', 'high', 'low', 'close', 'volume', 'a', 'b']",
        options={"bar_label": "start"},
    ),
    "a name twice": Case(
        json.dumps(SIX),
        "T.json",
        mapped="names = ['timestamp', 'open', 'open', 'low', 'close', 'volume']",
        mapping="names = ['timestamp', 'open', 'high', 'low', 'close', 'volume']",
        options={"bar_label": "start"},
    ),
    "lists in another order": Case(
        json.dumps([[row[0], row[3], row[2], row[1], row[4], row[5]] for row in SIX]),
        "T.json",
        mapping="names = ['timestamp', 'low', 'high', 'open', 'close', 'volume']",
        options={"bar_label": "start"},
    ),
    "two epochs": Case(
        json.dumps({**DHAN, "start_Time": [1_362_681_000, 1_363_285_800]}),
        "T.json",
        options={"epoch": "1980"},
    ),
    "a second header, in another order": Case(
        table(GOOD, "date,close,high,low,open,volume", "2024-01-05,2,2,1,1,5"), better=GOOD
    ),
    "a damaged tar": Case(NOISE[:40], "T.tar.gz", better=archive({"p.csv": GOOD.encode()})),
    "an empty tar": Case(archive({}), "T.tar.gz", better=archive({"p.csv": GOOD.encode()})),
    "a tar without bars": Case(
        archive({"n.txt": b"A\tB\n"}), "T.tar.gz", better=archive({"p.csv": GOOD.encode()})
    ),
    "nothing there": Case(GOOD, absent=True),
    "no option": Case(
        GOOD, stated={"calendar": "XNYS", "bar_label": "middle"}, options={"bar_label": "end"}
    ),
    "a mapping with a wrong value": Case(
        GOOD, mapped="volume_scale = 0", mapping="volume_scale = 1"
    ),
    "a mapping with a wrong key": Case(GOOD, mapped="sauce = 'x'", mapping="source = 'x'"),
    "a mapping that is not TOML": Case(GOOD, mapped="source =", mapping="source = 'x'"),
    "no symbol by its pattern": Case(
        GOOD,
        mapped="symbol_pattern = '(?P<symbol>X+)'",
        mapping="symbol_pattern = '(?P<symbol>T+)'",
    ),
    "no symbol by its pattern, stated": Case(
        GOOD,
        mapped="symbol_pattern = '(?P<symbol>X+)'",
        mapping="symbol_pattern = '(?P<symbol>X+)'",
        options={"symbol": "T"},
    ),
    "five minutes": Case(
        table(HEADER, *minutes("2024-01-02", "09:30", 390)[::5]),
        better=table(HEADER, *minutes("2024-01-02", "09:30", 390)),
    ),
    "weeks, each a day": Case(
        table(HEADER, *(f"2024-01-{day:02d},1,1,1,1,1" for day in (2, 9, 16, 23, 30))),
        options={"kind": "daily"},
    ),
    "a single column": Case("hi\n", better=GOOD),
    "no label": Case(MINUTE, options={"bar_label": "start"}),
    "minutes in UTC": Case(UTC_MINUTES, options={"timezone": "UTC"}),
    "minutes at other hours": Case(UTC_MINUTES, options={"timezone": "America/New_York"}),
    "days of another zone": Case(
        UTC_DAYS, stated={"calendar": "XNSE"}, options={"timezone": "UTC"}
    ),
    "days with a time": Case(
        UTC_DAYS, stated={"calendar": "XNSE"}, options={"timezone": "Asia/Kolkata"}
    ),
    "no calendar": Case(GOOD, stated=ANY, options={"calendar": "XNYS"}),
    "no calendar, mapped": Case(GOOD, stated=ANY, mapping="calendar = 'XNYS'"),
    "one moment": Case(table(HEADER, "2024-01-02 15:30:00,1,2,1,2,5"), options={"kind": "daily"}),
    "UTF-16": Case(GOOD.encode("utf-16"), better=GOOD),
    "another encoding": Case(
        table(f"{HEADER},name", "2024-01-05,1,2,1,2,5,Nestlé").encode("cp1252"),
        mapped="encoding = 'utf-8'",
        mapping="encoding = 'latin-1'",
    ),
    "Feather of version 1": Case(
        b"FEA1" + b"\0" * 50, "T.feather", better="parquet", better_name="T.parquet"
    ),
    "Parquet that is none": Case("x", "T.parquet", better="parquet"),
    "a Parquet file cut short": Case(b"PAR1" + b"\0" * 50, "T.parquet", better="parquet"),
    "gzip cut short": Case(NOISE[:60], "T.csv.gz", better=NOISE),
    "gzip of JSON cut short": Case(
        gzip.compress(json.dumps(SIX * 999).encode())[:-9],
        "T.json.gz",
        better=gzip.compress(json.dumps(SIX).encode()),
    ),
}


def tried(shop: Shop, path: Path, mapping: str, stated: dict[str, Any]) -> str:
    """Return the remedy of an ingest, or its outcome."""
    mapped = shop.file("m.toml", mapping)
    given = {"max_unreadable_pct": 1, **stated}
    try:
        *_, report = shop.run(path, mapping=mapped, **given)
    except BourseError as error:
        return error.remedy
    return report.remedy or report.outcome.value


@pytest.fixture(scope="module")
def remedy_texts() -> dict[str, str]:
    """The printed remedies, by case."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_the_remedy_works(shop: Shop, remedy_texts: dict[str, str], name: str) -> None:
    case = CASES[name]
    path = shop.folder / "vendor" / case.name
    if not case.absent:
        shop.file(case.name, case.content)
    remedy_texts[name] = tried(shop, path, case.mapped, case.stated)
    assert remedy_texts[name] not in list(Outcome), "it was not refused"
    assert shop.files() == []
    better = case.content if case.better is None else case.better
    path = path.with_name(case.better_name or case.name)
    if better == "parquet":
        with duckdb.connect() as con:
            source = shop.file("source.csv", GOOD)
            con.execute(f"copy (from read_csv('{source}')) to '{path}' (format parquet)")
    else:
        shop.file(path.name, better)
    stated = {**case.stated, **case.options}
    assert tried(shop, path, case.mapping, stated) == "delivered"


# Remedies whose cause is not in a file, with the test that covers each.
ELSEWHERE = {
    "put files there that end in": "a folder without data: below",
    "rename it": "a name that is not UTF-8: test_folders",
    "name a file": "a path that is neither file nor folder: below",
    "check --mapping": "a mapping that is not there: below",
    "raise BOURSE_MEMORY_LIMIT": "memory: a test of this size cannot run out of it",
    "check the permissions of the file and of the raw store": "the system refuses: none for root",
    "if you trust it, unpack it and name the files themselves": "test_folders",
    "unpack it and name the files themselves": "test_folders",
    "free some space and run the same command again": "test_store",
    # causes that arise only while a file is read
    "ask the vendor for it again": "the sister of `only a header`",
}


def test_missing_paths_and_mappings(shop: Shop) -> None:
    folder = shop.folder / "vendor" / "empty"
    folder.mkdir(parents=True)
    (folder / "prices.xlsx").touch()
    assert "put files there that end in .csv" in tried(shop, folder, "", {"calendar": "XNYS"})
    shop.file("empty/T.csv", GOOD)
    assert tried(shop, folder, "", {"calendar": "XNYS"}) == "delivered"
    assert tried(shop, Path("/dev/null"), "", {}) == "name a file"
    with pytest.raises(ConfigurationError) as raised:
        options.read_mapping(shop.folder / "no.toml")
    assert raised.value.remedy == "check --mapping"


MODULES = (
    *(dialect, documents, files, lines, numbers, options, rows, layout, run, timestamp_formats),
    tables,
)
ERRORS = ("BadInput", "NoRows", "NotBars", "ConfigurationError", "StorageFull", "UnreadableRows")


def remedies(module: ModuleType) -> Iterator[str]:
    """Yield each remedy in the code of a module, as a regular expression."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
            yield pattern(node.args[1], module)
        # `remedy_of` and `two_readings` return remedies too
        if isinstance(node, ast.FunctionDef) and node.name in ("remedy_of", "two_readings"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(
                    inner.value, (ast.Constant, ast.JoinedStr)
                ):
                    yield pattern(inner.value, module)


def pattern(node: ast.expr, module: ModuleType) -> str:
    """Return a regular expression for the values of a text expression."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(part, module) for part in node.values)
    if isinstance(node, ast.BinOp):
        return pattern(node.left, module) + pattern(node.right, module)
    if isinstance(node, ast.Name) and node.id.isupper():
        return re.escape(str(getattr(module, node.id)))
    return ".*"


def test_every_remedy_of_the_ingest_has_a_case(remedy_texts: dict[str, str]) -> None:
    if len(remedy_texts) < len(CASES):
        pytest.skip("it needs all the cases above in one run")
    printed = [*remedy_texts.values(), *ELSEWHERE]
    for module in MODULES:
        found = [one for one in remedies(module) if one not in (".*", "None")]
        for remedy in found:
            assert any(
                re.match(remedy, text) or re.match(re.escape(text), re.sub(r"\\(.)", r"\1", remedy))
                for text in printed
            ), f"{module.__name__}: no case prints {remedy!r}"
