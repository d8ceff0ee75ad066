-- An outcome's return is outside its maximum favorable and adverse excursions, or above its gross
-- return.
with

outcomes as (
    select * from {{ ref('backtests__outcomes') }}
)

select * from outcomes
where
    gross_return_pct > max_favorable_pct
    or gross_return_pct < max_adverse_pct
    or net_return_pct > gross_return_pct
