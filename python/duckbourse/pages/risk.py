"""What a portfolio can lose: VaR by method, its backtest, stress and parts."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels
from duckbourse.pages.portfolio import check_portfolio
from duckbourse.warehouse import quoted

# calendar days of the chart of returns against VaR: three years
CHART_DAYS = 1096


def risk(panels: Panels, name: str) -> dict[str, Any]:
    """Answer `/risk/{portfolio}`; chart and components have the lookback of most methods."""
    check_portfolio(panels, name)
    of = {"portfolio": name}
    latest = panels.rows(
        "latest",
        """
        select
            session_date,
            method,
            confidence,
            horizon_sessions,
            lookback_sessions,
            scaling,
            var_return,
            es_return,
            var_amount,
            es_amount,
            is_outside_domain
        from serving.var_today
        where portfolio = $portfolio
        order by confidence desc, horizon_sessions, lookback_sessions, method
        """,
        **of,
    )
    bands = _bands(panels, name)
    return {
        "portfolio": name,
        "latest": latest,
        **bands,
        "backtest": panels.rows(
            "backtest",
            """
            select
                period,
                method,
                confidence,
                lookback_sessions,
                first_session_date,
                last_session_date,
                session_count,
                exceedance_count,
                expected_count,
                kupiec_p_value,
                independence_p_value,
                basel_exceedance_count,
                basel_zone,
                acerbi_szekely_z2,
                quantile_loss_rank,
                verdict
            from risk.var_backtest
            where portfolio = $portfolio
            order by confidence desc, period, lookback_sessions, quantile_loss_rank, method
            """,
            **of,
        ),
        "stress": panels.rows(
            "stress",
            """
            select
                stress.scenario,
                stress.kind,
                stress.description,
                loss_return,
                loss_amount,
                missing_symbols,
                first_date,
                last_date
            from risk.stress
            left join seeds.stress_windows using (scenario)
            where portfolio = $portfolio
            order by loss_return desc, scenario
            """,
            **of,
        ),
        "components": panels.rows(
            "components",
            """
            select
                symbol,
                session_date,
                method,
                confidence,
                lookback_sessions,
                weight,
                component_ratio,
                component_var_amount,
                incremental_var_amount,
                trade_amount
            from risk.component_var
            where
                portfolio = $portfolio
                and weight <> 0
                and lookback_sessions = (
                    select min_by(lookback_sessions, abs(lookback_sessions - $lookback))
                    from risk.component_var
                    where portfolio = $portfolio
                )
            order by method, confidence, component_ratio desc, symbol
            """,
            lookback=bands["lookback_sessions"],
            **of,
        ),
    }


def _bands(panels: Panels, portfolio: str) -> dict[str, Any]:
    [lookback] = panels.values(
        """
        select mode(lookback_sessions order by lookback_sessions) from serving.var_today
        where portfolio = $portfolio and horizon_sessions = 1
        """,
        portfolio=portfolio,
    )
    pairs = (
        []
        if lookback is None
        else [
            (method, confidence)
            for method in panels.values(
                "select distinct method from serving.var_today "
                "where portfolio = $portfolio order by all",
                portfolio=portfolio,
            )
            for confidence in (0.95, 0.99)
        ]
    )
    columns = ",\n    ".join(
        f"{of} filter (method = {quoted(method)} and confidence = {confidence}) "
        f"as {name}{method}_{confidence * 100:.0f}"
        for method, confidence in pairs
        for name, of in (
            ("", "max(var_return)"),
            # as the backtest counts them
            ("is_exceedance_", "bool_or(-gross_return > var_return)"),
        )
    )
    bands = panels.columns(
        "bands",
        f"""
select
    session_date,
    any_value(gross_return) as gross_return{", " if columns else ""}
    {columns}
from risk.var_estimates
left join portfolio.returns using (portfolio, session_date)
where
    portfolio = $portfolio
    and horizon_sessions = 1
    and lookback_sessions = $lookback
    and session_date > (
        select max(session_date) - {CHART_DAYS} from risk.var_estimates
        where portfolio = $portfolio
    )
group by session_date
order by session_date
""",
        portfolio=portfolio,
        lookback=lookback,
    )
    return {"lookback_sessions": lookback, "bands": bands}
