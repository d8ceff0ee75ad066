"""A portfolio's life: growth, falls, months, weights and what moves together."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels, one_of


def portfolio(panels: Panels, name: str) -> dict[str, Any]:
    """Answer `/portfolios/{portfolio}`; what is drawn over years is sampled by week or quarter."""
    check_portfolio(panels, name)
    of = {"portfolio": name}
    return {
        "portfolio": name,
        "performance": panels.rows(
            "performance",
            "from portfolio.performance where portfolio = $portfolio order by basis desc",
            **of,
        ),
        "equity": panels.columns(
            "equity",
            """
            select
                max(session_date) as session_date,
                max_by(equity_ratio, session_date) as equity_ratio,
                min(drawdown) as drawdown,
                max_by(benchmark_equity_ratio, session_date) as benchmark_equity_ratio
            from portfolio.equity
            where portfolio = $portfolio and basis = 'net'
            group by date_trunc('week', session_date)
            order by session_date
            """,
            **of,
        ),
        "rolling": panels.columns(
            "rolling",
            """
            with windows as (
                select
                    session_date,
                    max(sharpe_ratio) filter (window_sessions = 252) as sharpe_252,
                    max(annualized_volatility) filter (window_sessions = 252) as volatility_252,
                    max(annualized_volatility) filter (window_sessions = 63) as volatility_63
                from portfolio.rolling_performance
                where portfolio = $portfolio and basis = 'net'
                group by session_date
            )

            from windows
            qualify session_date = max(session_date) over (
                partition by date_trunc('week', session_date)
            )
            order by session_date
            """,
            **of,
        ),
        "months": panels.columns(
            "months",
            """
            select
                calendar_year,
                calendar_month,
                month_return,
                benchmark_month_return,
                year_to_date_return
            from portfolio.monthly_returns
            where portfolio = $portfolio and basis = 'net'
            order by month_date
            """,
            **of,
        ),
        "drawdowns": panels.rows(
            "drawdowns",
            """
            select
                depth_rank,
                drawdown,
                start_date,
                trough_date,
                recovery_date,
                length_sessions,
                recovery_sessions
            from portfolio.drawdowns
            where portfolio = $portfolio and basis = 'net' and depth_rank <= 5
            order by depth_rank, start_date
            """,
            **of,
        ),
        "sectors": panels.columns(
            "sectors",
            """
            select session_date, name, net_weight
            from portfolio.exposures
            where portfolio = $portfolio and dimension = 'sector'
            qualify session_date = max(session_date) over (
                partition by date_trunc('quarter', session_date)
            )
            order by session_date, name
            """,
            **of,
        ),
        "exposures": panels.rows(
            "exposures",
            """
            select
                dimension,
                exposures.name,
                sector,
                session_date,
                net_weight,
                gross_weight,
                position_count,
                largest_symbol,
                largest_weight,
                herfindahl_ratio
            from portfolio.exposures
            left join seeds.instruments on dimension = 'symbol' and exposures.name = symbol
            where
                portfolio = $portfolio
                and session_date = (
                    select max(session_date) from portfolio.exposures where portfolio = $portfolio
                )
            order by dimension, net_weight desc, exposures.name
            """,
            **of,
        ),
        "holdings": panels.rows(
            "holdings",
            """
            select symbol, closing_quantity, price, price_date, closing_amount, pnl_amount
            from portfolio.holdings
            where
                portfolio = $portfolio
                and closing_quantity <> 0
                and session_date = (
                    select max(session_date) from portfolio.holdings where portfolio = $portfolio
                )
            order by closing_amount desc, symbol
            """,
            **of,
        ),
        "correlations": panels.columns(
            "correlations",
            """
            select symbol, other_symbol, pearson_correlation
            from portfolio.correlations
            where
                portfolio = $portfolio
                and window_sessions = 252
                and session_date = (
                    select max(session_date) from portfolio.correlations
                    where portfolio = $portfolio and window_sessions = 252
                )
            order by symbol, other_symbol
            """,
            **of,
        ),
        "contributions": panels.rows(
            "contributions",
            """
            select symbol, session_date, weight, component_ratio, portfolio_volatility
            from portfolio.risk_contributions
            where
                portfolio = $portfolio
                and method = 'ledoit_wolf'
                and window_sessions = 252
                and session_date = (
                    select max(session_date) from portfolio.risk_contributions
                    where
                        portfolio = $portfolio
                        and method = 'ledoit_wolf'
                        and window_sessions = 252
                )
            order by component_ratio desc, symbol
            """,
            **of,
        ),
    }


def check_portfolio(panels: Panels, name: str) -> None:
    """Raise NotHere if nothing is published about a portfolio."""
    known = panels.values(
        "select portfolio from portfolio.performance where basis = 'net' order by all"
    )
    one_of("portfolio", name, known)
