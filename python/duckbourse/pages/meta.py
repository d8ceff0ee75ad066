"""What every page needs: the publication, the symbols to search, the definitions of columns."""

from __future__ import annotations

from typing import Any

from duckbourse import clock
from duckbourse.market import IN_ORDER
from duckbourse.pages.asking import Panels, plain
from duckbourse.pages.sessions import session_of

# of these schemas the pages show columns
SCHEMAS = ["bars", "scanners", "backtests", "portfolio", "risk", "serving", "seeds"]


def meta(panels: Panels, *, date: str | None = None) -> dict[str, Any]:
    """Answer `/meta`: the publication, symbols, portfolios, and the session that pages show."""
    return {
        "publication": panels.row(
            "publication",
            """
            select build_id, git_revision, data_version, built_at, published_at, as_of
            from serving.publication
            """,
        ),
        "symbols": panels.rows(
            "symbols",
            f"""
            select
                symbol,
                any_value(instruments.name) as name,
                any_value(instruments.kind) as kind,
                any_value(instruments.sector) as sector,
                any_value(instruments.currency) as currency,
                array_to_string(list(timeframe order by {IN_ORDER}), ' ') as timeframes,
                max(session_date) filter (timeframe = '1d') as last_session_date,
                max(session_date) filter (timeframe = '1m') as last_minute_date,
                arg_max(close, bar_end) as close
            from serving.latest_bars
            left join seeds.instruments using (symbol)
            group by symbol
            order by symbol
            """,
        ),
        "portfolios": panels.rows(
            "portfolios",
            """
            select portfolio, description, source, benchmark, currency, capital_amount, cost_bps
            from seeds.portfolios
            inner join portfolio.performance using (portfolio)
            where basis = 'net'
            order by portfolio
            """,
        ),
        "session": plain(session_of(panels, date)),
        "answered_at": plain(clock.now().replace(tzinfo=None)),
    }


def docs(panels: Panels) -> dict[str, Any]:
    """Answer `/docs`: the description of each published table and column, by its name."""
    rows = panels.rows(
        "docs",
        """
        select schema_name || '.' || table_name as relation, column_name, comment
        from duckdb_columns()
        where
            database_name = current_database()
            and list_contains($schemas, schema_name)
            and (
                schema_name || '.' || table_name in (
                    select unnest(public_relations) from serving.publication
                )
                -- the limits of an account, which Live shows
                or schema_name || '.' || table_name = 'seeds.trading_accounts'
            )
            and comment is not null
        order by all
        """,
        schemas=SCHEMAS,
    )
    return {"columns": {f"{row['relation']}.{row['column_name']}": row["comment"] for row in rows}}
