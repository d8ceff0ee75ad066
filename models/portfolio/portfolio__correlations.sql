with

symbol_windows as (
    select * from {{ ref('portfolio__symbol_windows') }}
    where window_sessions in (select window_sessions from {{ ref('portfolio_windows') }})
),

-- the rank of each return among the symbol's own; equal returns share their mean rank
unnested as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        unnest(returns) as symbol_return,
        unnest(range(window_sessions)) as place
    from symbol_windows
    where returns is not null
),

ranked as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        place,
        rank() over by_size + (count(*) over among_equals - 1) / 2 - (window_sessions + 1) / 2
            as rank_deviation
    from unnested
    window
        by_size as (
            partition by portfolio, session_date, window_sessions, symbol
            order by symbol_return
        ),
        among_equals as (
            partition by portfolio, session_date, window_sessions, symbol, symbol_return
        )
),

rank_lists as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        list(rank_deviation order by place) as rank_deviations
    from ranked
    group by portfolio, session_date, window_sessions, symbol
),

sides as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        symbol_windows.deviations,
        rank_lists.rank_deviations,
        sqrt(list_inner_product(symbol_windows.deviations, symbol_windows.deviations)) as length,
        sqrt(list_inner_product(rank_lists.rank_deviations, rank_lists.rank_deviations))
            as rank_length
    from symbol_windows
    left join rank_lists using (portfolio, session_date, window_sessions, symbol)
),

final as (
    select
        portfolio,
        session_date,
        window_sessions,
        left_side.symbol,
        right_side.symbol as other_symbol,
        list_inner_product(left_side.deviations, right_side.deviations)
        / nullif(left_side.length * right_side.length, 0) as pearson_correlation,
        list_inner_product(left_side.rank_deviations, right_side.rank_deviations)
        / nullif(left_side.rank_length * right_side.rank_length, 0) as spearman_correlation
    from sides as left_side
    inner join sides as right_side using (portfolio, session_date, window_sessions)
    where left_side.symbol < right_side.symbol
)

select * from final
order by portfolio, session_date, window_sessions, symbol, other_symbol
