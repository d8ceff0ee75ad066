with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
),

horizons as (
    select distinct
        horizon_days,
        horizon_days - 1 as earlier_days
    from settings
),

compounded as (
    select
        returns.portfolio,
        returns.session_date,
        horizons.horizon_days,
        count(returns.gross_return) over horizon as known_days,
        product(1 + returns.gross_return) over horizon - 1 as horizon_return
    from returns
    cross join horizons
    window
        horizon as (
            partition by returns.portfolio, horizons.horizon_days
            order by returns.session_date
            rows between earlier_days preceding and current row
        )
),

final as (
    select
        portfolio,
        session_date,
        horizon_days,
        if(known_days = horizon_days, horizon_return, null) as horizon_return
    from compounded
)

select * from final
order by portfolio, horizon_days, session_date
