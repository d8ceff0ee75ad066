with

loadings as (
    select * from {{ ref('risk__factor_loadings') }}
),

factors as (
    select unnest(range(1, max(len(loadings)) + 1)) as factor_number
    from loadings
),

uniform_draws as (
    select
        decks.deck_number,
        draws.draw_number,
        factors.factor_number,
        {{ uniform_draw('[deck_number, draw_number, factor_number]') }} as probability
    from range(1, {{ monte_carlo_decks() }} + 1) as decks (deck_number)
    cross join range(1, {{ var('monte_carlo_draws') }} + 1) as draws (draw_number)
    cross join factors
),

final as (
    select
        deck_number,
        draw_number,
        list({{ normal_quantile('probability') }} order by factor_number) as scores
    from uniform_draws
    group by deck_number, draw_number
)

select * from final
order by deck_number, draw_number
