"""What dbt is told of the indicators is what their own pages say."""

from __future__ import annotations

from duckbourse.pages import pages
from duckbourse.settings import PROJECT


def test_every_page_is_written() -> None:
    written = pages().items()
    stale = [file for file, text in written if not file.exists() or file.read_text() != text]
    assert [str(file.relative_to(PROJECT)) for file in stale] == [], "run `./bourse pages`"
