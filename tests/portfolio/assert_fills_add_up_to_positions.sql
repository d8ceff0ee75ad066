-- An account's closing quantity differs from its previous quantity, adjusted for splits, plus
-- purchases less sales; or a fill belongs to none of its sessions.
with

holdings as (
    select * from {{ ref('portfolio__holdings') }}
),

fills as (
    select * from {{ ref('portfolio__fills') }}
),

splits as (
    select
        symbol,
        ex_date,
        product(new_shares / old_shares) as share_ratio
    from {{ ref('corporate_actions') }}
    where action != 'dividend'
    group by symbol, ex_date
),

traded as (
    select
        portfolio,
        session_date,
        symbol,
        sum(bought_quantity) as traded_quantity
    from fills
    group by portfolio, session_date, symbol
),

before as (
    select
        portfolio,
        session_date,
        symbol,
        opening_quantity,
        closing_quantity,
        lag(session_date) over in_order as previous_date,
        lag(closing_quantity, 1, 0) over in_order as previous_quantity
    from holdings
    window in_order as (partition by portfolio, symbol order by session_date)
),

-- adjusted by all splits since the prior close
carried as (
    select
        before.portfolio,
        before.session_date,
        before.symbol,
        before.opening_quantity,
        before.closing_quantity,
        before.previous_quantity * coalesce(product(splits.share_ratio), 1) as carried_quantity
    from before
    left join splits
        on
            before.symbol = splits.symbol
            and before.previous_date < splits.ex_date
            and before.session_date >= splits.ex_date
    group by
        before.portfolio,
        before.session_date,
        before.symbol,
        before.opening_quantity,
        before.closing_quantity,
        before.previous_quantity
)

select
    portfolio,
    session_date,
    symbol,
    carried.opening_quantity,
    carried.closing_quantity,
    traded.traded_quantity
from carried
full outer join traded using (portfolio, session_date, symbol)
where
    carried.portfolio is null
    -- shares are counted to a millionth
    or abs(carried.opening_quantity - carried.carried_quantity) > 1e-6
    or carried.opening_quantity + coalesce(traded.traded_quantity, 0) != carried.closing_quantity
