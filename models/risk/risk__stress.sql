with

portfolios as (
    select * from {{ ref('portfolios') }}
),

symbols as (
    select * from {{ ref('risk__stress_symbols') }}
),

descriptions as (
    select
        scenario,
        description
    from {{ ref('stress_windows') }}
    union
    select
        scenario,
        description
    from {{ ref('stress_shocks') }}
),

-- a sum ignores NULLs, which would give their weight to the others
losses as (
    select
        portfolio,
        session_date,
        scenario,
        kind,
        if(bool_and(loss_return is not null), list_sum(list(loss_return order by symbol)), null)
            as loss_return,
        string_agg(symbol, ' ' order by symbol) filter (where loss_return is null)
            as missing_symbols
    from symbols
    group by portfolio, session_date, scenario, kind
),

final as (
    select
        portfolio,
        losses.session_date,
        losses.scenario,
        losses.kind,
        descriptions.description,
        losses.loss_return,
        losses.loss_return * portfolios.capital_amount as loss_amount,
        losses.missing_symbols
    from losses
    inner join portfolios using (portfolio)
    inner join descriptions using (scenario)
)

select * from final
order by portfolio, kind, scenario
