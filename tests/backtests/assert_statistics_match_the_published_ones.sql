-- A statistic differs from the published one. The bounds of 15 wins in 20 trials are from scipy,
-- binomtest(15, 20).proportion_ci(method='wilson'). The rest is the example of Bailey and López de
-- Prado, The Deflated Sharpe Ratio (2014): an annual Sharpe ratio of 2.5 over 1,250 days, the best
-- of 100 trials with a variance of a half, a skewness of -3 and a kurtosis of 10.
{{- config(group='backtests') }}

with

examples as (
    select
        15 as win_count,
        20 as trade_count,
        100 as trial_count,
        0.5e0 / 250 as sharpe_variance,
        2.5e0 / sqrt(250) as sharpe_ratio,
        1250 as day_count,
        -3e0 as skewness,
        10e0 - 3 as excess_kurtosis
),

expected as (
    select
        *,
        {{ expected_max_sharpe('sharpe_variance', 'trial_count') }} as expected_max_sharpe_ratio
    from examples
),

figures as (
    select
        'Wilson, low' as figure,
        {{ wilson_bound('win_count', 'trade_count', 'low') }} as value,
        0.5312991223812561 as published,
        1e-12 as tolerance
    from expected
    union all
    select
        'Wilson, high' as figure,
        {{ wilson_bound('win_count', 'trade_count', 'high') }} as value,
        0.8881382985923344 as published,
        1e-12 as tolerance
    from expected
    union all
    select
        'expected maximum of Sharpe ratios' as figure,
        expected_max_sharpe_ratio as value,
        0.1132 as published,
        5e-5 as tolerance
    from expected
    union all
    select
        'deflated Sharpe ratio' as figure,
        {{ probabilistic_sharpe(
            'sharpe_ratio', 'expected_max_sharpe_ratio', 'day_count', 'skewness', 'excess_kurtosis'
        ) }} as value,
        0.9004 as published,
        5e-5 as tolerance
    from expected
)

select *
from figures
where value is null or abs(value - published) > tolerance
