"""The same data gives the same bytes, on any number of cores and however it came together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.deliveries import deliver, shipped
from tests.support.warehouse import Warehouse, copied_from, empty_store

# what no data changes
NO_DATA = ("serving__indicator_catalog", "serving__live_models")
# a session later, so that rows of all series lie elsewhere in every window than they did
NEW_SESSION = "bar_ts + interval 4 days as bar_ts, session_date + 4 as session_date"
DELIVERIES = {
    "new_minutes": (
        "minute",
        f"select * replace ({NEW_SESSION}) from {shipped('minute')} "
        "where session_date = '2010-05-28' and symbol in ('AAPL', 'IBM', 'KO', 'XOM')",
    ),
    "a_listing": (
        "daily",
        f"select * replace ('A_LISTING' as symbol) from {shipped('daily')} "
        "where symbol = 'MCD' and session_date between '2009-11-02' and '2010-06-18'",
    ),
    "a_correction": (
        "daily",
        f"select * replace (close * 1.001 as close, high * 1.01 as high) from {shipped('daily')} "
        "where source = 'bytetheory' and symbol = 'MMM' and session_date = '2010-03-03'",
    ),
    "new_closes": (
        "adjusted_close",
        "select * replace (session_date + 1 as session_date, "
        "adjusted_close * (1 + source_row % 7 / 100) as adjusted_close) "
        f"from {shipped('adjusted_close')} where session_date = '2022-12-28'",
    ),
}


@pytest.mark.long
def test_what_grew_on_two_cores_is_what_three_make_from_nothing(
    sample: Warehouse, tmp_path: Path
) -> None:
    grown = copied_from(sample, tmp_path / "grown")
    for name, (kind, rows) in DELIVERIES.items():
        deliver(grown, name, kind, rows)
    grown.build("--exclude", *NO_DATA)

    empty_store(tmp_path / "fresh" / "data")
    fresh = Warehouse(tmp_path / "fresh" / "data", tmp_path / "fresh" / "target", cores=3)
    (fresh.data / "sample").symlink_to(grown.data / "sample")
    for name, (kind, rows) in DELIVERIES.items():
        deliver(fresh, name, kind, rows)
    fresh.build("--exclude", *NO_DATA)

    before, after, from_nothing = sample.stored(), grown.stored(), fresh.stored()
    made = from_nothing.keys()
    assert after.keys() - made == {name.replace("__", ".") for name in NO_DATA}
    # the publication counts the rows of those tables too
    assert [
        relation
        for relation in made - {"serving.publication"}
        if after[relation] != from_nothing[relation]
    ] == []
    moved = {relation for relation, found in before.items() if after[relation] != found}
    assert {"bars.ohlcv", "portfolio.rolling_performance", "risk.covariances"} <= moved
