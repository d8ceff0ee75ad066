-- An outcome's return is outside its maximum favorable and adverse excursions, or above its gross
-- return.
with

outcomes as (
    select * from {{ ref('backtests__outcomes') }}
)

select * from outcomes
where
    gross_return > max_favorable_return
    or gross_return < max_adverse_return
    or net_return > gross_return
