{#- It omits the database's name, so that it can be read whatever the file is attached as. -#}
{{ config(materialized='view') }}

with

equity as (
    select * from {{ ref('portfolio__equity').include(database=false) }}
),

peaks as (
    select
        *,
        max(case when drawdown = 0 then session_date end) over to_date as peak_date,
        count(case when drawdown = 0 then 1 end) over to_date as peak_number
    from equity
    window to_date as (
        partition by portfolio, basis
        order by session_date
        rows between unbounded preceding and current row
    )
)

select
    portfolio,
    basis,
    session_date,
    session_return,
    equity_ratio,
    peak_ratio,
    drawdown,
    case when drawdown is not null then peak_date end as peak_date,
    case
        when drawdown is not null
            then count(case when drawdown < 0 then 1 end) over (
                    partition by portfolio, basis, peak_number
                    order by session_date
                    rows between unbounded preceding and current row
                )
    end as sessions_below_peak
from peaks
