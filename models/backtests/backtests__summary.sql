{#- a p-value below it is unlikely to be chance -#}
{%- set significance = 0.05 -%}
{#- The run's return in the sessions in which the benchmark has one too. -#}
{%- set compared_return = 'case when benchmark_return is not null then session_return end' %}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

session_returns as (
    select * from {{ ref('backtests__session_returns') }}
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

accounts as (
    select
        run_id,
        -- a list is ordered, since a sum of floating-point numbers depends on the order
        list_avg(list(exposure_ratio order by session_date)) as exposure_ratio,
        arg_max(equity_amount, session_date) as equity_amount,
        min(drawdown) as max_drawdown,
        sum(traded_amount)::double / nullif(sum(equity_amount)::double / count(*), 0)
            as turnover_ratio
    from equity
    group by run_id
),

performance as (
    select
        run_id,
        {{ return_figures('whole', 'sessions_per_year') | indent(8) }},
        {{ sharpe_ratio('session_return', 'over whole') | indent(8) }} as session_sharpe_ratio,
        if(count(benchmark_return) over whole > 0, benchmark, null) as benchmark,
        {{ exact_deviation(compared_return, 'over whole') | indent(8) }} as compared_deviation,
        {{ exact_deviation('benchmark_return', 'over whole') | indent(8) }}
            as benchmark_deviation,
        {{ exact_product('1 + ' ~ compared_return, 'over whole') | indent(8) }} - 1
            as compared_cumulative_return,
        {{ exact_product('1 + benchmark_return', 'over whole') | indent(8) }} - 1
            as benchmark_cumulative_return
    from session_returns
    window whole as (partition by run_id)
    qualify row_number() over (partition by run_id order by session_date) = 1
),

traded as (
    select
        run_id,
        count(*) as trade_count,
        count(*) filter (where net_pnl_amount > 0) as win_count,
        count(*) filter (where exit_price is null) as unclosed_count,
        sum(net_return)::double / count(*) as mean_trade_return,
        avg(net_return) filter (where net_pnl_amount > 0) as average_win_return,
        avg(net_return) filter (where net_pnl_amount <= 0) as average_loss_return,
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

-- every run of a scanner is a trial: the best of many looks good by chance alone
trials as (
    select
        runs.*,
        performance.* exclude (run_id, first_session_date, last_session_date),
        count(*) over of_scanner as trial_count,
        pow({{ exact_deviation('session_sharpe_ratio', 'over of_scanner') | indent(8) }}, 2)
            as sharpe_variance
    from runs
    inner join performance using (run_id)
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
        figures.first_session_date,
        figures.last_session_date,
        figures.session_count,
        figures.signal_count,
        coalesce(traded.trade_count, 0) as trade_count,
        coalesce(traded.win_count, 0) as win_count,
        coalesce(traded.unclosed_count, 0) as unclosed_count,
        traded.win_count / traded.trade_count as win_rate,
        if(
            traded.trade_count >= {{ var('min_trade_count') }},
            {{ wilson_bound('traded.win_count', 'traded.trade_count', 'low') }},
            null
        ) as win_rate_low,
        if(
            traded.trade_count >= {{ var('min_trade_count') }},
            {{ wilson_bound('traded.win_count', 'traded.trade_count', 'high') }},
            null
        ) as win_rate_high,
        traded.mean_trade_return,
        bootstraps.mean_trade_return_low,
        bootstraps.mean_trade_return_high,
        traded.average_win_return::double as average_win_return,
        traded.average_loss_return::double as average_loss_return,
        (traded.net_pnl_amount / traded.trade_count)::double as expectancy_amount,
        traded.won_amount / nullif(traded.lost_amount, 0) as profit_factor_ratio,
        traded.mean_held_minutes,
        figures.capital_amount,
        accounts.equity_amount,
        coalesce(traded.gross_pnl_amount, 0)::decimal(18, 4) as gross_pnl_amount,
        coalesce(traded.charges_amount, 0)::decimal(18, 4) as charges_amount,
        coalesce(traded.slippage_amount, 0)::decimal(18, 4) as slippage_amount,
        coalesce(traded.charges_amount + traded.slippage_amount, 0)::decimal(18, 4)
            as costs_amount,
        coalesce(traded.net_pnl_amount, 0)::decimal(18, 4) as net_pnl_amount,
        (traded.charges_amount + traded.slippage_amount)::double
        / nullif(traded.gross_won_amount, 0) as cost_ratio,
        figures.cumulative_return,
        figures.cagr,
        figures.annualized_volatility,
        figures.sharpe_ratio,
        figures.sortino_ratio,
        accounts.max_drawdown,
        accounts.exposure_ratio,
        accounts.turnover_ratio,
        figures.skewness,
        figures.excess_kurtosis,
        {{ probabilistic_sharpe(
            'figures.session_sharpe_ratio', '0', 'figures.session_count', 'figures.skewness',
            'figures.excess_kurtosis'
        ) }} as probabilistic_sharpe,
        figures.trial_count,
        {{ probabilistic_sharpe(
            'figures.session_sharpe_ratio', 'figures.expected_max_sharpe_ratio',
            'figures.session_count', 'figures.skewness', 'figures.excess_kurtosis'
        ) }} as deflated_sharpe,
        permutations.random_mean_return,
        permutations.permutation_p_value,
        case
            when traded.trade_count is null then 'no_trades'
            when traded.trade_count < {{ var('min_verdict_trade_count') }} then 'too_few_trades'
            when bootstraps.mean_trade_return_low is null then 'too_few_trades'
            when bootstraps.mean_trade_return_high < 0 then 'loss'
            when bootstraps.mean_trade_return_low <= 0 then 'inconclusive'
            when permutations.permutation_p_value < {{ significance }}
                then 'gain_better_than_chance'
            when permutations.permutation_p_value >= {{ significance }}
                then 'gain_no_better_than_chance'
            else 'inconclusive'
        end as verdict,
        figures.benchmark,
        figures.benchmark_coverage_ratio,
        figures.benchmark_cumulative_return,
        figures.compared_cumulative_return - figures.benchmark_cumulative_return
            as active_cumulative_return,
        figures.beta,
        figures.alpha,
        figures.beta * figures.benchmark_deviation
        / {{ nullif_near_zero('figures.compared_deviation') }} as benchmark_correlation,
        figures.tracking_error,
        figures.information_ratio,
        figures.scanner_version,
        figures.code_version,
        figures.data_version
    from figures
    inner join accounts using (run_id)
    left join traded using (run_id)
    left join permutations using (run_id)
    left join bootstraps using (run_id)
)

select * from final
order by scanner, preset, setting
