{%- set draw_count = var('monte_carlo_draws') -%}

with

sessions as (
    select * from {{ ref('risk__horizon_returns') }}
    where horizon_sessions = 1
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

session_decks as (
    select
        *,
        ceil({{ monte_carlo_decks() }} * {{ uniform_draw('session_date') }})::bigint as deck_number
    from loadings
),

drawn_losses as (
    select
        session_decks.portfolio,
        session_decks.session_date,
        session_decks.lookback_sessions,
        max(
            -list_dot_product(
                list_slice(draws.scores, 1, len(session_decks.loadings)), session_decks.loadings
            ),
            tails.tail_count
        ) as worst_losses
    from session_decks
    inner join draws using (deck_number)
    cross join tails
    group by session_decks.portfolio, session_decks.session_date, session_decks.lookback_sessions
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
        settings.horizon_sessions,
        settings.lookback_sessions,
        invested.portfolio is not null as is_invested,
        {{ tail_var('drawn_losses.worst_losses', draw_count, 'settings.confidence') }} as daily_var,
        {{ tail_es('drawn_losses.worst_losses', draw_count, 'settings.confidence') }} as daily_es
    from sessions
    cross join settings
    left join invested using (portfolio, session_date)
    left join drawn_losses using (portfolio, session_date, lookback_sessions)
),

final as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('sqrt_time') }} as scaling,
        -- a portfolio of cash alone loses nothing
        if(is_invested, daily_var * sqrt(horizon_sessions), 0) as var_return,
        if(is_invested, daily_es * sqrt(horizon_sessions), 0) as es_return
    from estimates
)

select * from final
