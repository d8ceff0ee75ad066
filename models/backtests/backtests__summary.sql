with

runs as (
    select * from {{ ref('backtests__runs') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

equity as (
    select * from {{ ref('backtests__equity') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

permutations as (
    select * from {{ ref('backtests__permutations') }}
),

bootstraps as (
    select * from {{ ref('backtests__bootstraps') }}
),

benchmarks as (
    select * from {{ ref('backtests__benchmarks') }}
),

-- lists are ordered, since a sum of floating-point numbers depends on the order
daily as (
    select
        run_id,
        count(*) as session_count,
        list(session_return order by session_date) as session_returns,
        list(least(session_return, 0) * least(session_return, 0) order by session_date)
            as squared_losses,
        list(exposure_pct order by session_date) as exposure_pcts,
        arg_max(equity_amount, session_date) as equity_amount,
        max(drawdown_pct) as max_drawdown_pct,
        sum(traded_amount)::double as traded_amount,
        sum(equity_amount)::double / count(*) as mean_equity_amount
    from equity
    group by run_id
),

moments as (
    select
        *,
        list_avg(session_returns) as mean_return,
        list_aggregate(session_returns, 'stddev_samp') as return_deviation,
        sqrt(list_avg(squared_losses)) as downside_deviation,
        mean_return / nullif(return_deviation, 0) as session_sharpe_ratio,
        list_transform(session_returns, lambda x: x - mean_return) as deviations
    from daily
),

shapes as (
    select
        *,
        list_avg(list_transform(deviations, lambda x: pow(x, 2))) as second_moment,
        list_avg(list_transform(deviations, lambda x: pow(x, 3)))
        / nullif(pow(second_moment, 1.5), 0) as skewness,
        list_avg(list_transform(deviations, lambda x: pow(x, 4)))
        / nullif(pow(second_moment, 2), 0) as kurtosis
    from moments
),

traded as (
    select
        run_id,
        count(*) as trade_count,
        count(*) filter (where net_pnl_amount > 0) as win_count,
        count(*) filter (where exit_price is null) as unclosed_count,
        sum(net_return_pct)::double / count(*) as mean_trade_pct,
        avg(net_return_pct) filter (where net_pnl_amount > 0) as average_win_pct,
        avg(net_return_pct) filter (where net_pnl_amount <= 0) as average_loss_pct,
        sum(gross_pnl_amount)::decimal(18, 4) as gross_pnl_amount,
        sum(net_pnl_amount)::decimal(18, 4) as net_pnl_amount,
        sum(entry_charges_amount + exit_charges_amount)::decimal(18, 4) as charges_amount,
        sum(entry_slippage_amount + exit_slippage_amount)::decimal(18, 4) as slippage_amount,
        sum(greatest(net_pnl_amount, 0))::double as won_amount,
        -sum(least(net_pnl_amount, 0))::double as lost_amount,
        sum(greatest(gross_pnl_amount, 0))::double as gross_won_amount,
        sum(held_minutes) / count(*) as mean_held_minutes
    from trades
    group by run_id
),

-- days from the close before the first session, at which no capital was invested yet; NULL for a
-- run that begins with the calendar's first session
spans as (
    select
        runs.run_id,
        calendars.sessions_per_year,
        runs.last_session - max(sessions.session_date) as day_count
    from runs
    inner join calendars using (calendar)
    left join sessions
        on runs.calendar = sessions.calendar and runs.first_session > sessions.session_date
    group by runs.run_id, runs.last_session, calendars.sessions_per_year
),

-- every run of a scanner is a trial: the best of many looks good by chance alone
trials as (
    select
        *,
        count(*) over of_scanner as trial_count,
        var_samp(round(session_sharpe_ratio, 12)::decimal(18, 12)) over of_scanner
            as sharpe_variance
    from runs
    inner join shapes using (run_id)
    window of_scanner as (partition by runs.scanner, runs.calendar)
),

figures as (
    select
        *,
        {{ expected_max_sharpe('sharpe_variance', 'trial_count') }} as expected_max_sharpe_ratio
    from trials
),

final as (
    select
        figures.run_id,
        figures.scanner,
        figures.preset,
        figures.setting,
        figures.calendar,
        figures.first_session,
        figures.last_session,
        figures.session_count,
        figures.signal_count,
        coalesce(traded.trade_count, 0) as trade_count,
        coalesce(traded.win_count, 0) as win_count,
        coalesce(traded.unclosed_count, 0) as unclosed_count,
        100 * traded.win_count / traded.trade_count as win_rate_pct,
        if(
            traded.trade_count >= {{ var('min_judged_trades') }},
            100 * {{ wilson_bound('traded.win_count', 'traded.trade_count', 'low') }},
            null
        ) as win_rate_low_pct,
        if(
            traded.trade_count >= {{ var('min_judged_trades') }},
            100 * {{ wilson_bound('traded.win_count', 'traded.trade_count', 'high') }},
            null
        ) as win_rate_high_pct,
        traded.mean_trade_pct,
        bootstraps.mean_trade_low_pct,
        bootstraps.mean_trade_high_pct,
        traded.average_win_pct::double as average_win_pct,
        traded.average_loss_pct::double as average_loss_pct,
        (traded.net_pnl_amount / traded.trade_count)::double as expectancy_amount,
        traded.won_amount / nullif(traded.lost_amount, 0) as profit_factor_ratio,
        traded.mean_held_minutes,
        figures.capital_amount,
        figures.equity_amount,
        coalesce(traded.gross_pnl_amount, 0)::decimal(18, 4) as gross_pnl_amount,
        coalesce(traded.charges_amount, 0)::decimal(18, 4) as charges_amount,
        coalesce(traded.slippage_amount, 0)::decimal(18, 4) as slippage_amount,
        coalesce(traded.net_pnl_amount, 0)::decimal(18, 4) as net_pnl_amount,
        100 * (traded.charges_amount + traded.slippage_amount)::double
        / nullif(traded.gross_won_amount, 0) as cost_share_pct,
        100 * (figures.equity_amount / figures.capital_amount - 1)::double as total_return_pct,
        if(
            figures.session_count >= {{ min_year_sessions() }} and figures.equity_amount > 0,
            100 * (
                pow(
                    figures.equity_amount::double / figures.capital_amount::double,
                    {{ year_days() }} / spans.day_count::double
                ) - 1
            ),
            null
        ) as cagr_pct,
        if(
            figures.session_count >= {{ min_year_sessions() }},
            100 * figures.return_deviation * sqrt(spans.sessions_per_year),
            null
        ) as volatility_pct,
        if(
            figures.session_count >= {{ min_year_sessions() }},
            figures.session_sharpe_ratio * sqrt(spans.sessions_per_year),
            null
        ) as sharpe_ratio,
        if(
            figures.session_count >= {{ min_year_sessions() }},
            figures.mean_return / nullif(figures.downside_deviation, 0)
            * sqrt(spans.sessions_per_year),
            null
        ) as sortino_ratio,
        figures.max_drawdown_pct,
        list_avg(figures.exposure_pcts) as exposure_pct,
        figures.traded_amount / nullif(figures.mean_equity_amount, 0) as turnover_ratio,
        figures.skewness,
        figures.kurtosis,
        {{ probabilistic_sharpe(
            'figures.session_sharpe_ratio', '0', 'figures.session_count', 'figures.skewness',
            'figures.kurtosis'
        ) }} as probabilistic_sharpe,
        figures.trial_count,
        {{ probabilistic_sharpe(
            'figures.session_sharpe_ratio',
            'figures.expected_max_sharpe_ratio',
            'figures.session_count',
            'figures.skewness', 'figures.kurtosis'
        ) }} as deflated_sharpe,
        permutations.random_mean_pct,
        permutations.permutation_p_value,
        benchmarks.benchmark,
        benchmarks.benchmark_count / figures.session_count as benchmark_coverage_ratio,
        benchmarks.benchmark_return_pct,
        benchmarks.excess_return_pct,
        benchmarks.beta,
        benchmarks.benchmark_correlation,
        benchmarks.tracking_error_pct,
        benchmarks.information_ratio,
        figures.scanner_version,
        figures.code_version,
        figures.data_version
    from figures
    inner join spans using (run_id)
    left join traded using (run_id)
    left join permutations using (run_id)
    left join bootstraps using (run_id)
    left join benchmarks using (run_id)
)

select * from final
order by scanner, preset, setting
