{%- set draw_count = var('monte_carlo_draws') -%}

with

sessions as (
    select * from {{ ref('risk__horizon_returns') }}
    where horizon_days = 1
),

weights as (
    select * from {{ ref('risk__held_weights') }}
),

loadings as (
    select * from {{ ref('risk__factor_loadings') }}
),

draws as (
    select * from {{ ref('risk__normal_draws') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'monte_carlo'
),

tails as (
    select {{ tail_count(draw_count, 'min(confidence)') }} as tail_count
    from settings
),

dealt as (
    select
        *,
        ceil({{ monte_carlo_decks() }} * {{ uniform_draw('session_date') }})::bigint as deck_number
    from loadings
),

drawn_losses as (
    select
        dealt.portfolio,
        dealt.session_date,
        dealt.lookback_days,
        max(
            -list_dot_product(
                list_slice(draws.scores, 1, len(dealt.loadings)), dealt.loadings
            ),
            tails.tail_count
        ) as worst_losses
    from dealt
    inner join draws using (deck_number)
    cross join tails
    group by dealt.portfolio, dealt.session_date, dealt.lookback_days
),

invested as (
    select distinct
        portfolio,
        session_date
    from weights
),

estimates as (
    select
        sessions.portfolio,
        sessions.session_date,
        settings.method,
        settings.confidence,
        settings.horizon_days,
        settings.lookback_days,
        invested.portfolio is not null as is_invested,
        {{ tail_var('drawn_losses.worst_losses', draw_count, 'settings.confidence') }} as daily_var,
        {{ tail_es('drawn_losses.worst_losses', draw_count, 'settings.confidence') }} as daily_es
    from sessions
    cross join settings
    left join invested using (portfolio, session_date)
    left join drawn_losses using (portfolio, session_date, lookback_days)
),

final as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_days,
        lookback_days,
        {{ horizon_scaling('sqrt_time') }} as scaling,
        -- cash alone loses nothing
        if(is_invested, daily_var * sqrt(horizon_days), 0) as var_return,
        if(is_invested, daily_es * sqrt(horizon_days), 0) as es_return
    from estimates
)

select * from final
