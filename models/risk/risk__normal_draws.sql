with

loadings as (
    select * from {{ ref('risk__factor_loadings') }}
),

factors as (
    select range(1, max(len(loadings)) + 1) as factor_numbers
    from loadings
),

uniform_draws as (
    select
        decks.deck_number,
        draws.draw_number,
        list_transform(
            factors.factor_numbers,
            lambda factor_number: {{ uniform_draw('[deck_number, draw_number, factor_number]') }}
        ) as probabilities
    from range(1, {{ monte_carlo_decks() }} + 1) as decks (deck_number)
    cross join range(1, {{ var('monte_carlo_draws') }} + 1) as draws (draw_number)
    cross join factors
),

final as (
    select
        deck_number,
        draw_number,
        list_transform(
            probabilities,
            lambda probability: {{ normal_quantile('probability') }}
        ) as scores
    from uniform_draws
)

select * from final
order by deck_number, draw_number
