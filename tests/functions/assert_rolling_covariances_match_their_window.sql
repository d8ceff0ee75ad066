-- A rolling covariance is not the sample covariance of the returns in its window, as DuckDB
-- computes it.
{%- set window_sessions = 20 %}
{%- set closes = ref('bars__total_return_closes') %}
{%- set symbols %}(
    select list(symbol order by symbol)
    from (select distinct symbol from {{ closes }} order by symbol limit 2)
){% endset %}

with

called as (
    select * from {{ function('rolling_covariances') }}({{ symbols }}, {{ window_sessions }})
),

symbol_closes as (
    select * from {{ closes }}
    where list_contains({{ symbols }}, symbol)
),

sessions as (
    select distinct session_date from symbol_closes
),

-- a session on which one of the two may have no close
grid as (
    select
        sessions.session_date,
        symbols.symbol,
        symbol_closes.total_return_close
    from sessions
    cross join (select distinct symbol from symbol_closes) as symbols
    left join symbol_closes
        on
            sessions.session_date = symbol_closes.session_date
            and symbols.symbol = symbol_closes.symbol
),

returns as (
    select
        symbol,
        session_date,
        total_return_close
        / lag(total_return_close) over (partition by symbol order by session_date)
        - 1 as symbol_return
    from grid
),

recomputed as (
    select
        one.session_date,
        one.symbol,
        other.symbol as other_symbol,
        case
            when count(one.symbol_return * other.symbol_return) over recent = {{ window_sessions }}
                then covar_samp(one.symbol_return, other.symbol_return) over recent
        end as covariance
    from returns as one
    inner join returns as other using (session_date)
    where one.symbol <= other.symbol
    window
        recent as (
            partition by one.symbol, other.symbol
            order by one.session_date
            rows between {{ window_sessions - 1 }} preceding and current row
        )
)

select
    session_date,
    symbol,
    other_symbol
from called
left join recomputed using (session_date, symbol, other_symbol)
where
    (called.covariance is null) != (recomputed.covariance is null)
    or abs(called.covariance - recomputed.covariance) > 1e-9
