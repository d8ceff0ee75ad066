"""The client: rows of one publication, names with any letter, and streams that break off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from duckbourse.client import ServerRefused
from tests.support.serving import serving
from tests.unit.api.test_reader import EMPTY, replaced
from tests.unit.market.test_publications import published

pytestmark = pytest.mark.some_day


def test_rows_of_several_pages_are_of_one_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duckbourse.client.PAGE_ROWS", 2)
    with serving(published(tmp_path, 1)) as found, found.client() as client:
        send = client._send
        seen: list[httpx.Response] = []
        changes = {2: 2}

        def sending(method: str, address: str, **options: Any) -> httpx.Response:
            if generation := changes.get(len(seen) + 1):
                published(tmp_path, generation)
            seen.append(send(method, address, **options))
            return seen[-1]

        monkeypatch.setattr(client, "_send", sending)
        names = [row["relation"] for row in found.get("/api/v1/tables").json()["rows"]]
        assert len(names) > 2
        assert client.frame("tables")["relation"].to_list() == names
        assert [each.headers["x-build-id"] for each in seen[:3]] == ["b1", "b2", "b2"]
        assert seen[2].request.url == seen[0].request.url
        changes.update({number: number for number in range(3, 100)})
        with pytest.raises(ServerRefused, match="a newer publication came 3 times"):
            client.frame("tables")


def test_a_name_may_have_any_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duckbourse.client.PAGE_ROWS", 1)
    path = published(tmp_path, 1)
    names = ("BRK/B", "%2F", "é ü", "a?b#c", "../x", "..")
    rows = ", ".join(f"('{name}', '{frame}')" for name in names for frame in ("1d", "1w"))
    replaced(
        path,
        f"{EMPTY} select 'b' as build_id; create table serving.latest_bars as"
        f" from (values {rows}) as rows (symbol, timeframe)",
    )
    with serving(path) as found, found.client() as client:
        for name in names[:-1]:
            assert client.frame("symbols", name)["symbol"].to_list() == [name] * 2, name


def test_events_that_break_off_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise httpx.ReadError("reset")

    with serving(published(tmp_path, 1)) as found, found.client() as client:
        monkeypatch.setattr(client._http, "stream", fail)
        with pytest.raises(ServerRefused, match="the events broke off: reset"):
            next(client.events())
