"""
What the build will reject of a delivery, by the rules of the build.

The rules are the macros `broken_price_rule` and `broken_time_rule`. The others need sessions and
other deliveries, so only the build knows what breaks them.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from duckbourse.errors import BrokenRow, BrokenRule
from duckbourse.ingest.bars import Bars, constant
from duckbourse.ingest.inference.layout import Layout
from duckbourse.ingest.rows import SHOWN, Rows, lines_of
from duckbourse.ingest.schema import KEY_TIME, MEASURES, REJECTED, Kind
from duckbourse.templates import macro_sql
from duckbourse.warehouse import quoted

# a bar as most are, which breaks no rule of prices: so the rules are evaluated for few
SOUND = (
    "low > 1e-6 and high < 1e9 and open between low and high and close between low and high"
    " and volume between 0 and 1e9"
)
# neither the time of an unset clock nor, in any zone, after the delivery
SETTLED = "timestamp '1970-01-03' and delivered_at - interval 2 days"


def to_be_rejected(
    con: duckdb.DuckDBPyConnection, rows: Rows, layout: Layout, bars: Bars, delivered_at: datetime
) -> tuple[BrokenRule, ...]:
    """Return each rule that bars break, with their number and the first of them."""
    if bars.kind is Kind.ADJUSTED_CLOSE:
        return ()
    time, measures = KEY_TIME[bars.kind], MEASURES[bars.kind]
    starts = ends = f"bars.{time}::timestamp"
    if bars.kind is Kind.MINUTE:
        ends = f"bars.{time} + interval 1 minute"
    price_rule = macro_sql("macros/bars/broken_price_rule.sql", "broken_price_rule")
    time_rule = macro_sql("macros/bars/broken_time_rule.sql", "broken_time_rule", starts, ends)
    content = ", ".join(f"{name}: {name}" for name in ("symbol", time, *measures))
    found = con.execute(f"""
        select
            rule, count(*), min(source_row, {SHOWN}),
            arg_min(to_json({{{content}}})::varchar, source_row, {SHOWN}),
            arg_min([{", ".join(f"{name}::varchar" for name in measures)}], source_row, {SHOWN})
        from (
            select
                bars.*,
                coalesce(
                    {price_rule},
                    case when bars.{time} not between {SETTLED} then {time_rule} end
                ) as rule
            from
                (
                    select *, {constant(delivered_at, "timestamp")} as delivered_at
                    from {bars.relation} as delivered
                ) as bars,
                (select {quoted(layout.calendar.timezone)} as timezone) as calendars,
                -- which days have one, only the build knows
                (select true as session_date) as sessions
            where ({SOUND} and bars.{time} between {SETTLED}) is not true
        )
        where rule is not null
        group by rule
        order by min(source_row), rule
    """).fetchall()
    if not found:
        return ()
    lines = lines_of(rows, (row for _, _, numbers, _, _ in found for row in numbers))
    return tuple(
        BrokenRule(
            rule,
            REJECTED[rule][0],
            count,
            tuple(
                BrokenRow(
                    row,
                    lines.get(row),
                    field := REJECTED[rule][1],
                    field and values[measures.index(field)],
                    shown,
                )
                for row, shown, values in zip(numbers, contents, all_values, strict=True)
            ),
        )
        for rule, count, numbers, contents, all_values in found
    )
