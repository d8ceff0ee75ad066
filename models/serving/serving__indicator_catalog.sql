{{ config(post_hook="{{ table_macros() }}") }}

with

outputs (
    indicator,
    output,
    title,
    origin,
    talib,
    periods,
    settings,
    warm_up_bars,
    memory_bars,
    formulas,
    notes
) as (
    {{ catalog_rows() }}
)

select
    indicator,
    output,
    title,
    origin,
    talib,
    periods::varchar as periods,
    settings::varchar as settings,
    warm_up_bars::bigint as warm_up_bars,
    memory_bars::bigint as memory_bars,
    formulas,
    notes::varchar as notes
from outputs
