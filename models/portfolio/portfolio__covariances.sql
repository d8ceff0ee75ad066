with

symbol_windows as (
    select * from {{ ref('portfolio__symbol_windows') }}
),

settings as (
    select * from {{ ref('covariance_settings') }}
),

-- the weight of each session is `decay` times that of the next, and all add up to 1
decays as (
    select
        method,
        window_sessions,
        {{ decayed_weights('decay', 'window_sessions') }} as weights
    from settings
    where method = 'ewma'
),

sides as (
    select
        settings.method,
        symbol_windows.*,
        case
            -- zipped with weights, a NULL list would become a list of NULLs
            when symbol_windows.returns is null then null
            when settings.method = 'ewma'
                then
                    list_transform(
                        list_zip(symbol_windows.returns, decays.weights),
                        lambda pair: pair[1] * pair[2]
                    )
            when settings.method = 'sample'
                then
                    list_transform(
                        symbol_windows.deviations,
                        lambda x: x / (symbol_windows.window_sessions - 1)
                    )
            when settings.method = 'ledoit_wolf'
                then
                    list_transform(
                        symbol_windows.deviations, lambda x: x / symbol_windows.window_sessions
                    )
        end as weighted,
        if(settings.method = 'ewma', symbol_windows.returns, symbol_windows.deviations)
            as unweighted,
        if(
            settings.method = 'ledoit_wolf',
            list_transform(symbol_windows.deviations, lambda x: x * x),
            null
        ) as squares
    from settings
    inner join symbol_windows using (window_sessions)
    left join decays using (method, window_sessions)
),

pairs as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        left_side.symbol,
        right_side.symbol as other_symbol,
        list_inner_product(left_side.weighted, right_side.unweighted) as covariance,
        list_inner_product(left_side.squares, right_side.squares) as squared_products,
        -- a pair of two symbols counts for both of its orders
        if(left_side.symbol = right_side.symbol, 1, 2) as order_count
    from sides as left_side
    inner join sides as right_side using (portfolio, session_date, method, window_sessions)
    where left_side.symbol <= right_side.symbol
),

totals as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        count(*) filter (where order_count = 1) as symbol_count,
        bool_and(covariance is not null) as is_complete,
        list_sum(list(covariance order by symbol) filter (where order_count = 1))
        / symbol_count as mean_variance,
        list_sum(list(order_count * covariance * covariance order by symbol, other_symbol))
            as squared_norm,
        list_sum(list(order_count * squared_products order by symbol, other_symbol))
        / window_sessions as fourth_moments
    from pairs
    where method = 'ledoit_wolf'
    group by portfolio, session_date, method, window_sessions
),

shrinkages as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        mean_variance,
        case
            when is_complete and squared_norm > symbol_count * mean_variance * mean_variance
                then
                    greatest(
                        0,
                        least(
                            (fourth_moments - squared_norm) / window_sessions
                            / (squared_norm - symbol_count * mean_variance * mean_variance),
                            1
                        )
                    )
            when is_complete then 0
        end as shrinkage_ratio
    from totals
),

final as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        pairs.symbol,
        pairs.other_symbol,
        if(
            method = 'ledoit_wolf',
            (1 - shrinkages.shrinkage_ratio) * pairs.covariance
            + if(
                pairs.symbol = pairs.other_symbol,
                shrinkages.shrinkage_ratio * shrinkages.mean_variance,
                0
            ),
            pairs.covariance
        ) as covariance,
        shrinkages.shrinkage_ratio
    from pairs
    left join shrinkages using (portfolio, session_date, method, window_sessions)
)

select * from final
order by portfolio, session_date, method, window_sessions, symbol, other_symbol
