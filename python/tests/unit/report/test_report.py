"""The report is one page that holds its answers, runs its own scripts, and nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse import clock
from duckbourse.errors import BourseError
from duckbourse.pages import NotHere
from duckbourse.report import (
    MOST_BYTES,
    WEB,
    Report,
    Selection,
    block,
    bundle,
    policy_of,
    report,
    write,
)
from tests.support.pages import (
    NAME,
    SYMBOL,
    columns,
    empty_publication,
    insert,
    one_bar,
    relations,
    small_publication,
)

BLOCK = re.compile(r'<script type="application/(json|gzip)" id="answer:([^"]*)">(.*?)</script>')
TOKEN = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")


@pytest.fixture(autouse=True)
def at_noon(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set the time at which a page is answered, which its reader sees."""
    if request.node.get_closest_marker("any_day"):
        yield
        return
    with clock.driven_by(lambda: datetime(2024, 3, 29, 12, tzinfo=UTC)):
        yield


def made(
    make: Callable[[], duckdb.DuckDBPyConnection], selection: Selection | None = None
) -> Report:
    with make() as connection:
        return report(connection, selection)


def held(html: str) -> dict[str, Any]:
    found = {}
    for kind, address, text in BLOCK.findall(html):
        raw = gzip.decompress(base64.b64decode(text)) if kind == "gzip" else text
        found[unescape(address)] = json.loads(raw)
    return found


def test_it_holds_every_answer_and_no_text_of_an_answer_is_markup() -> None:
    html = made(small_publication).html
    answers = held(html)
    assert {"/meta", "/docs", "/overview", "/scanners", "/quality"} <= answers.keys()
    [symbol] = answers["/meta"]["symbols"]
    assert (symbol["symbol"], symbol["name"]) == (SYMBOL, NAME)
    # as many scripts as blocks, and two of ours: no name opened or ended another
    assert html.count("<script") == html.count("</script>") == len(answers) + 2
    assert "<i>company" not in html
    small = block("/x", {"name": "</script><!--"})
    assert small.count("<") == 2
    assert held(small)["/x"] == {"name": "</script><!--"}


def test_its_policy_names_the_hash_of_each_script_and_style_and_lets_nothing_be_fetched() -> None:
    html = made(empty_publication).html
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    texts = [
        *re.findall(r"<style>(.*?)</style>", html, re.DOTALL),
        *re.findall(r'<script(?: type="module")?>(.*?)</script>', html, re.DOTALL),
    ]
    assert len(texts) == 3
    for text in texts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert "unsafe" not in policy
    assert policy == policy_of(texts[1:], texts[:1])
    # a report cannot ask a server, and has no page of a trading session
    assert not re.search(r"\bfetch\(|Bearer|square-off", texts[2])


@pytest.mark.any_day
@pytest.mark.parametrize("make", [empty_publication, one_bar])
def test_a_publication_with_little_has_a_report(make: Any) -> None:
    written = made(make)
    assert "/overview" in held(written.html)
    assert len(written.html.encode()) < MOST_BYTES


def test_it_stays_below_its_size_and_states_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = made(small_publication)
    monkeypatch.setattr("duckbourse.report.MOST_BYTES", len(whole.html.encode()) - 4_500)
    cut = made(small_publication)
    assert "1 of 1 symbol (--symbols chooses)" in cut.left_out
    assert held(cut.html)["/meta"]["left_out"] == list(cut.left_out)
    assert held(cut.html)["/meta"]["symbols"] == []
    # what is named is held
    named = made(small_publication, Selection(symbols=[SYMBOL], scanners=["crp"]))
    assert [each["symbol"] for each in held(named.html)["/meta"]["symbols"]] == [SYMBOL]


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(symbols=["BB"]), "there is no symbol 'BB'"),
        (Selection(portfolios=["on"]), "there is no portfolio 'on'; did you mean 'one'?"),
        (Selection(scanners=["cpr"]), "there is no scanner 'cpr'; did you mean 'crp'?"),
    ],
)
def test_a_name_that_is_not_published_is_refused(selection: Selection, said: str) -> None:
    with pytest.raises(NotHere) as refused:
        made(small_publication, selection)
    assert said in str(refused.value)


def test_it_reports_how_far_it_is() -> None:
    said: list[tuple[str, int, int]] = []
    with small_publication() as connection:
        report(connection, said=lambda *each: said.append(each))
    assert said[0][0].startswith("/meta")
    assert all(done < total for _, done, total in said)


def test_a_report_of_one_portfolio_holds_no_other() -> None:
    with small_publication() as connection:
        for relation in relations(connection):
            if "portfolio" in columns()[relation]:
                insert(connection, relation, portfolio="secret_two")
        whole = report(connection)
        one = report(connection, Selection(portfolios=["one"]))
    assert "secret_two" in json.dumps(held(whole.html)["/overview"])
    assert "secret_two" not in json.dumps(held(one.html))
    assert held(one.html)["/overview"]["portfolios"]
    assert one.size_bytes == len(one.html.encode())


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "below" / "report.html"
    write("first", path)
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BourseError):
        write("second", tmp_path / "below" / "report.html" / "x.html")
    with pytest.raises(UnicodeEncodeError):
        write("half \ud800", path)
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_modules_import_by_name_and_in_no_circle() -> None:
    for entry in ("report.js", "server.js"):
        text = bundle(entry)
        assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
        assert "</script" not in text
    for file in (WEB / "js").iterdir():
        assert "innerHTML" not in file.read_text(), file.name


def test_the_two_lists_of_dark_tokens_are_equal() -> None:
    styles = (WEB / "app.css").read_text()
    by_system = styles.split('not([data-theme="light"]) {')[1].split("} }")[0]
    by_choice = styles.split(':root[data-theme="dark"] {')[1].split("\n}")[0]
    assert by_system.split() == by_choice.split()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_contrast_of_text_meets_aa(theme: str) -> None:
    styles = (WEB / "app.css").read_text()
    mark = ":root {" if theme == "light" else ':root[data-theme="dark"] {'
    colors = dict(TOKEN.findall(styles.split(mark)[1].split("\n}")[0]))
    texts = ("ink", "ink-2", "ink-3", "accent", "up", "down", "good", "warn", "bad")
    grounds = ("ground", "surface", "sunken", "raised")
    pairs = [
        *product(texts, grounds),
        *((name, f"{name}-soft") for name in ("up", "down", "good", "warn", "bad", "accent")),
        *(("ink", f"{name}-soft") for name in ("up", "accent", "warn", "bad")),
        ("surface", "bad"),
        ("ground", "ink"),
    ]
    low = {
        (text, ground): round(contrast(colors[text], colors[ground]), 2)
        for text, ground in pairs
        if contrast(colors[text], colors[ground]) < 4.5
    }
    assert low == {}


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
