"""What API.md shows is so: its requests are answered, its addresses and defaults are right."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator

import pytest

from duckbourse.api import Bounds, live
from duckbourse.api.resources import OF_PORTFOLIO, router
from duckbourse.cli.serve import serve
from duckbourse.settings import PROJECT
from tests.support.serving import READ, Served, serving
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.some_day
TEXT = (PROJECT / "python" / "API.md").read_text()


@pytest.fixture(scope="module")
def served(sample: Warehouse) -> Iterator[Served]:
    with serving(sample.file, bounds=Bounds(seconds=60)) as found:
        yield found


def test_each_request_to_read_is_answered_with_rows(served: Served) -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith('$ curl -H "$TOKEN"')]
    assert len(lines) >= 7
    for line in lines:
        words = shlex.split(line.replace("$TOKEN", f"Authorization: Bearer {READ}"))[2:]
        headers = {}
        while words[0] == "-H":
            name, _, value = words[1].partition(": ")
            headers[name] = value
            words = words[2:]
        [address] = words
        answer = served.http.get(
            address.replace("http://127.0.0.1:8765", served.root), headers=headers
        )
        assert answer.status_code == 200, (line, answer.text)
        assert int(answer.headers["x-row-count"]) > 0, line
        if "Accept" in headers:
            assert answer.headers["content-type"].startswith(headers["Accept"])


def test_each_resource_is_in_the_table() -> None:
    described: set[str] = set()
    for line in TEXT.splitlines():
        if line.startswith("| `"):
            names = re.findall("`([^`?]+)[^`]*`", line.split(" | ")[0])
            first = base = names[0]
            for name in names:
                if name.startswith("…/"):
                    described.add(base + name[1:])
                elif "/" in name or "/" not in first:
                    described.add(name)
                    base = name
                else:
                    described.add(f"{first.rpartition('/')[0]}/{name}")
    routed: set[str] = set()
    for route in router.routes:
        path = getattr(route, "path", "").removeprefix("/api/v1/")
        whats = OF_PORTFOLIO if "{what}" in path else [""]
        routed |= {path.replace("{what}", what) for what in whats}
    assert len(routed) > 25
    assert routed - described == set()
    # live and sql have routers of their own
    others = {getattr(route, "path", "") for route in live.router.routes} | {"/api/v1/sql"}
    assert {f"/api/v1/{each}" for each in described - routed} <= others


def test_each_default_is_as_described() -> None:
    # wherever a line ends
    text = " ".join(TEXT.split())
    defaults = {name: each.default for name, each in inspect.signature(serve).parameters.items()}
    assert f"`--queries` run at once ({defaults['queries']})" in text
    assert f"`--timeout` seconds ({defaults['timeout']:g})" in text
    assert f"`--memory` ({defaults['memory']})" in text
    assert f"`--rate` requests a second ({defaults['rate']:g})" in text
    assert f"{Bounds().streams} clients" in text
    assert f"http://{defaults['host']}:{defaults['port']}/" in text
