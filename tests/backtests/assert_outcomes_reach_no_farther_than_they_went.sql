-- An outcome's return is outside of the best and worst that its price came to on the way.
with

outcomes as (
    select * from {{ ref('backtests__outcomes') }}
)

select * from outcomes
where
    gross_return_pct > max_favorable_pct
    or gross_return_pct < max_adverse_pct
    or net_return_pct > gross_return_pct
