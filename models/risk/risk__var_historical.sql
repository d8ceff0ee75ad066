{#- so that (n - 1) x confidence is whole where it should be, and the tail loses no loss -#}
{%- set position_digits = 9 -%}

with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
),

lookbacks as (
    select distinct
        horizon_days,
        lookback_days
    from settings
),

past_losses as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_days,
        lookbacks.lookback_days,
        {{ in_full_lookback('list', '-horizon_return') }} as losses
    from returns
    inner join lookbacks using (horizon_days)
),

sorted_losses as (
    select
        portfolio,
        session_date,
        horizon_days,
        lookback_days,
        list_sort(losses) as losses
    from past_losses
),

positions as (
    select
        sorted_losses.portfolio,
        sorted_losses.session_date,
        settings.confidence,
        horizon_days,
        lookback_days,
        sorted_losses.losses,
        -- from 0 at the smallest loss to n - 1 at the largest
        round((lookback_days - 1) * settings.confidence, {{ position_digits }}) as position
    from sorted_losses
    inner join settings using (horizon_days, lookback_days)
),

quantiles as (
    select
        portfolio,
        session_date,
        confidence,
        horizon_days,
        lookback_days,
        losses,
        losses[floor(position)::bigint + 1]
        + (position - floor(position))
        * (losses[ceil(position)::bigint + 1] - losses[floor(position)::bigint + 1]) as var_return
    from positions
),

final as (
    select
        portfolio,
        session_date,
        'historical' as method,
        confidence,
        horizon_days,
        lookback_days,
        var_return,
        list_avg(list_filter(losses, lambda loss: loss >= var_return)) as es_return
    from quantiles
)

select * from final
