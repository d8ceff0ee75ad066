with

days as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

bodies as (
    select
        symbol,
        session_date,
        open,
        high,
        low,
        close,
        greatest(open, close) as upper_body,
        least(open, close) as lower_body,
        lag(adjusted_close) over (partition by symbol order by session_date)
        / adjustment_factor as prior_close,
        source
    from days
),

outliers as (
    select
        *,
        'high' as kind,
        high / upper_body as outlier_ratio
    from bodies
    union all
    select
        *,
        'low' as kind,
        lower_body / low as outlier_ratio
    from bodies
    union all
    -- far from both that day's close and the prior close
    select
        *,
        'open' as kind,
        least(
            {{ larger_over_smaller('open', 'close') }},
            coalesce(
                {{ larger_over_smaller('open', 'prior_close') }},
                {{ larger_over_smaller('open', 'close') }}
            )
        ) as outlier_ratio
    from bodies
),

final as (
    select
        symbol,
        session_date,
        kind,
        open,
        high,
        low,
        close,
        prior_close,
        outlier_ratio,
        source
    from outliers
    where outlier_ratio >= {{ var('min_jump_ratio') }}
)

select * from final
order by symbol, session_date, kind
