"""
Write the report: one HTML file with the pages, their scripts and styles, and every answer in it.

It needs no server and fetches nothing. Its content security policy names the hash of each script
and style, so that nothing else can run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb

from duckbourse.disk import private, special, wrap_os_error
from duckbourse.errors import ConfigurationError
from duckbourse.pages import answer
from duckbourse.pages.addresses import address_of
from duckbourse.pages.asking import one_of
from duckbourse.words import counted

WEB = files("duckbourse") / "web"
CHARTS = "vendor/lightweight-charts.standalone.production.js"
# what a report weighs that nobody narrowed, in bytes
MOST_BYTES = 2_000_000
# a part of an answer's size that its place in the file costs: the tags around it
TAGS = 80
# an answer of fewer letters is not packed
PACKED_FROM = 2_000
# timeframes of each symbol; a server has the others
TIMEFRAMES = ("5m", "15m", "1h", "1d", "1w")

IMPORT = re.compile(r"^import\s*\{([^}]*)\}\s*from\s*'\./([\w-]+)\.js';\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function|class)\s+([\w$]+))", re.MULTILINE)
# no text of the modules has a line break in it
INDENT = re.compile(r"^ +", re.MULTILINE)

Said = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Selection:
    """
    What a report holds. An empty list chooses for itself: as much as 2 MB can hold.

    Names that are given are always held, whatever they weigh. `session` is the newest one with
    signals if it is None.
    """

    symbols: Sequence[str] = ()
    portfolios: Sequence[str] = ()
    scanners: Sequence[str] = ()
    session: date | None = None


@dataclass(frozen=True)
class Report:
    """
    The text of a report, the number of its answers, what it leaves out, in sentences, and its size.

    What is always held, such as every portfolio, may be more than MOST_BYTES.
    """

    html: str
    answer_count: int
    left_out: Sequence[str]
    size_bytes: int


@dataclass
class _Blocks:
    """The answers of a report by address, and their size in bytes."""

    blocks: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def add(self, address: str, body: Mapping[str, Any]) -> None:
        self.blocks[address] = block(address, body)
        self.size += len(self.blocks[address]) + TAGS

    def drop(self, address: str) -> None:
        self.size -= len(self.blocks.pop(address)) + TAGS


def report(
    connection: duckdb.DuckDBPyConnection,
    selection: Selection | None = None,
    said: Said = lambda what, done, total: None,
) -> Report:
    """
    Return the report of a publication. `said` is called with what is next, and with how many of how
    many answers there are.

    A name that is not published raises NotHere with the nearest one.
    """
    return _Writer(connection, selection or Selection(), said).report()


def write(html: str, path: Path) -> None:
    """Write a report whole, for its owner alone: a reader sees the former file or the new one."""
    if what := special(path):
        raise ConfigurationError(f"{path} is {what}", "name another file")
    # of its own, so that two reports at once do not mix; it has accounts in it
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}.half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(half, "xb", opener=private) as file:
                file.write(html.encode())
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise wrap_os_error(error, path) from error


def block(address: str, body: Mapping[str, Any]) -> str:
    """Return an answer as an element of the page, packed if that is worth it."""
    text = json.dumps(body, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    name = escape(f"answer:{address}")
    if len(text) < PACKED_FROM:
        # no text of an answer can end the element or begin a comment in it
        text = text.replace("<", "\\u003c")
        return f'<script type="application/json" id="{name}">{text}</script>'
    packed = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
    return f'<script type="application/gzip" id="{name}">{packed}</script>'


def bundle(entry: str) -> str:
    """
    Return a module with those that it imports, each in a scope of its own, what is needed first.

    Modules import by name, each from another file of the folder, and in no circle; anything else
    raises AssertionError.
    """
    modules: dict[str, str] = {}
    _collect(entry.removesuffix(".js"), modules, [])
    return "\n".join(modules.values())


def policy_of(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return the content security policy that lets these texts run, and nothing else."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_digest, scripts))}; "
        f"style-src {' '.join(map(_digest, styles))}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _collect(module: str, modules: dict[str, str], above: Sequence[str]) -> None:
    if module in modules:
        return
    assert module not in above, f"{module} imports itself, through {', '.join(above)}"
    text = (WEB / "js" / f"{module}.js").read_text(encoding="utf-8")
    for _, needed in IMPORT.findall(text):
        _collect(needed, modules, [*above, module])
    exported = ", ".join(EXPORT.findall(text))
    text = IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_scope(found[2])};\n", text)
    text = INDENT.sub("", EXPORT.sub("", text))
    assert not re.search(r"^(import|export)\b|\bimport\(", text, re.MULTILINE), module
    modules[module] = f"const {_scope(module)} = (() => {{\n{text}return {{ {exported} }};\n}})();"


def _scope(module: str) -> str:
    return f"of_{module.replace('-', '_')}"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class _Writer:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, selection: Selection, said: Said
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._said = said
        self._date = {"date": str(selection.session)} if selection.session else {}
        self._held = _Blocks()
        self._left_out: list[str] = []
        self._total = 0

    def report(self) -> Report:
        meta = self._answer("/meta", self._date)
        meta["portfolios"] = self._chosen(
            "portfolio", meta["portfolios"], self._selection.portfolios
        )
        styles = (WEB / "app.css").read_text(encoding="utf-8")
        scripts = [(WEB / CHARTS).read_text(encoding="utf-8"), bundle("report.js")]
        shell = sum(len(text.encode()) for text in (styles, *scripts))
        symbols = self._symbols(meta)
        self._total = 5 + 2 * len(meta["portfolios"]) + len(symbols)
        self._pages(meta)
        # what is left of the size, less a meta with every name
        space = MOST_BYTES - shell - len(block("/meta", {**meta, "symbols": symbols})) - 4_000
        body = self._add("/backtests", self._of_scanners())
        runs = body["runs"]
        # the plainest setting of each calendar comes first in the list
        first = {row["calendar"]: row["setting"] for row in reversed(body["settings"])}.values()
        self._runs([run for run in runs if run["setting"] in first], space)
        meta["symbols"] = self._add_symbols(symbols, len(meta["symbols"]), space)
        self._runs([run for run in runs if run["setting"] not in first], space)
        self._count_runs(runs)
        meta["left_out"] = self._left_out
        self._held.add("/meta", meta)
        html = _page(self._held.blocks.values(), scripts, styles)
        return Report(html, len(self._held.blocks), self._left_out, len(html.encode()))

    def _pages(self, meta: Mapping[str, Any]) -> None:
        self._add("/docs")
        overview = self._answer("/overview", self._of_scanners() | self._date)
        if self._selection.portfolios:
            # who is sent a report of one portfolio is not to read of another
            names = {each["portfolio"] for each in meta["portfolios"]}
            for panel in ("portfolios", "verdicts", "growth"):
                overview[panel] = [row for row in overview[panel] if row["portfolio"] in names]
        self._held.add("/overview", overview)
        self._add("/scanners", self._of_scanners() | self._date)
        self._add("/quality")
        for portfolio in meta["portfolios"]:
            self._add(address_of("portfolios", portfolio["portfolio"]))
            self._add(address_of("risk", portfolio["portfolio"]))

    def _runs(self, runs: Sequence[Mapping[str, Any]], space: int) -> None:
        for run in runs:
            address = address_of("backtests", run["run_id"])
            self._add(address)
            if self._held.size > space and not self._selection.scanners:
                self._held.drop(address)
                return

    def _count_runs(self, runs: Sequence[Mapping[str, Any]]) -> None:
        held = sum(address_of("backtests", run["run_id"]) in self._held.blocks for run in runs)
        if held < len(runs):
            self._left_out.append(
                f"curves and trades of {len(runs) - held} of {counted(len(runs), 'run')} "
                "(--scanner chooses)"
            )

    def _add_symbols(
        self, symbols: Sequence[Mapping[str, Any]], count: int, space: int
    ) -> list[Mapping[str, Any]]:
        held: list[Mapping[str, Any]] = []
        for symbol in symbols:
            before = set(self._held.blocks)
            self._add(address_of("symbols", symbol["symbol"]), self._of_scanners() | self._date)
            for timeframe in TIMEFRAMES:
                if timeframe in symbol["timeframes"].split():
                    self._add(address_of("symbols", symbol["symbol"], timeframe), self._date)
            if self._held.size > space and not self._selection.symbols:
                for address in self._held.blocks.keys() - before:
                    self._held.drop(address)
                break
            held.append(symbol)
        if len(held) < count:
            self._left_out.append(
                f"{count - len(held):,} of {counted(count, 'symbol')} (--symbols chooses)"
            )
        if held:
            self._left_out.append("bars of 1m and 30m (./bourse serve has them)")
        return sorted(held, key=lambda symbol: str(symbol["symbol"]))

    def _symbols(self, meta: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the symbols that are named, or those of instruments, with minutes first."""
        known = {symbol["symbol"]: symbol for symbol in meta["symbols"]}
        if self._selection.symbols:
            return [known[one_of("symbol", name, known)] for name in self._selection.symbols]
        described = [symbol for symbol in known.values() if symbol["name"] is not None]
        return sorted(
            described or known.values(),
            key=lambda symbol: (symbol["last_minute_date"] is None, symbol["symbol"]),
        )

    def _chosen(
        self, kind: str, rows: Sequence[dict[str, Any]], names: Sequence[str]
    ) -> list[dict[str, Any]]:
        known = {row[kind]: row for row in rows}
        chosen = [known[one_of(kind, name, known)] for name in dict.fromkeys(names)]
        if chosen and len(chosen) < len(known):
            self._left_out.append(
                f"{len(known) - len(chosen)} of {counted(len(known), kind)} (--{kind} chooses)"
            )
        return chosen or list(rows)

    def _of_scanners(self) -> dict[str, str]:
        return {"scanner": ",".join(self._selection.scanners)} if self._selection.scanners else {}

    def _add(self, address: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        body = self._answer(address, parameters or {})
        self._held.add(address, body)
        return body

    def _answer(self, address: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        done = len(self._held.blocks)
        self._said(address, done, max(self._total, done + 1))
        query = f"?{urlencode(parameters)}" if parameters else ""
        return answer(self._connection, address + query)


def _page(blocks: Iterable[str], scripts: Sequence[str], styles: str) -> str:
    return "\n".join(_lines(blocks, scripts, styles))


def _lines(blocks: Iterable[str], scripts: Sequence[str], styles: str) -> Iterator[str]:
    charts, script = scripts
    assert not any("</script" in text for text in scripts)
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy_of(scripts, [styles])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>duckbourse</title>
<link rel="icon" href="data:,">
<style>{styles}</style>
</head>
<body>
<noscript>This report is drawn with JavaScript, which is switched off.</noscript>"""
    yield from blocks
    yield f"""<script>{charts}</script>
<script type="module">{script}</script>
</body>
</html>
"""
