"""The version of a symbol's day includes the SQL of every model that its bars pass through."""

from __future__ import annotations

import re

from duckbourse.settings import PROJECT

MODELS = {path.stem: path for path in (PROJECT / "models").rglob("*.sql")}
# Model -> why its SQL need not be in a version
IN_IT_BY_VALUE = {
    "bars__adjustment_factors": "a version has the day's factors",
    "bars__day_changes": "says which days are built, not how",
    "bars__delivered_days": "a version has the day's deliveries, and what is known of each",
    "bars__sessions": "a version has the day's session",
    "bars__stale_symbols": "says which days are built, not how",
    "bars__symbol_days": "makes the version",
    "stg_raw__deliveries": "a version has the names of the day's deliveries",
    "stg_raw__unreadable_rows": "is of no day, and read again by each build",
    "stg_raw__withdrawals": "removes deliveries, and the ticks that a recording's name counts",
}


def read_by(model: str) -> set[str]:
    return set(re.findall(r"ref\('(\w+)'\)", MODELS[model].read_text())) & MODELS.keys()


def test_a_version_has_the_sql_of_all_that_a_bar_comes_through() -> None:
    through: set[str] = set()
    to_read = {"bars__ohlcv", "bars__rejected"}
    while to_read:
        through |= to_read
        to_read = {
            above
            for model in to_read
            for above in read_by(model)
            if above not in IN_IT_BY_VALUE and above not in through
        }
    ((models, queries),) = re.findall(
        r"code_checksum\(\s*\[(.*?)\],\s*\[(.*?)\]\s*\)",
        MODELS["bars__symbol_days"].read_text(),
        flags=re.DOTALL,
    )
    assert set(re.findall(r"'(\w+)'", models)) == through
    # a model whose query is a macro is in it by that query
    called = {
        macro
        for model in through
        for macro in re.findall(r"^\{\{ (?!config)(\w+)\(", MODELS[model].read_text(), re.MULTILINE)
    }
    rendered_by_checked_minutes = {"preferred_rows"}
    assert called - rendered_by_checked_minutes <= set(re.findall(r"(\w+)\(", queries))
