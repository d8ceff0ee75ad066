with

weights as (
    select * from {{ ref('portfolio__weights') }}
    where closing_weight is distinct from 0
),

instruments as (
    select * from {{ ref('instruments') }}
),

held as (
    select
        weights.portfolio,
        weights.session_date,
        weights.symbol,
        weights.closing_weight as weight,
        unnest(['portfolio', 'sector', 'symbol']) as dimension,
        unnest(
            [weights.portfolio, coalesce(instruments.sector, 'unclassified'), weights.symbol]
        ) as name
    from weights
    left join instruments using (symbol)
),

grouped as (
    select
        portfolio,
        session_date,
        dimension,
        name,
        count(*) as position_count,
        bool_and(weight is not null) as is_complete,
        list(weight order by symbol) as weights,
        arg_max(symbol, (abs(weight), symbol)) as largest_symbol
    from held
    group by portfolio, session_date, dimension, name
),

group_weights as (
    select
        * exclude (weights, largest_symbol),
        if(is_complete, weights, null) as weights,
        if(is_complete, largest_symbol, null) as largest_symbol
    from grouped
),

final as (
    select
        portfolio,
        session_date,
        dimension,
        name,
        position_count,
        list_sum(list_transform(weights, lambda w: if(w > 0, w, 0))) as long_weight,
        list_sum(list_transform(weights, lambda w: if(w < 0, w, 0))) as short_weight,
        list_sum(list_transform(weights, lambda w: abs(w))) as gross_weight,
        list_sum(weights) as net_weight,
        largest_symbol,
        list_max(list_transform(weights, lambda w: abs(w))) as largest_weight,
        list_sum(list_transform(weights, lambda w: w * w)) as herfindahl_ratio
    from group_weights
)

select * from final
order by portfolio, session_date, dimension, name
