{% macro stale_symbols(symbol_days, room) -%}
{#- Nothing was built before, or all is wanted anew: every symbol from its first day on. -#}
{%- set built_days = built_days(room) -%}
select
    symbol,
    {%- if built_days %}
    coalesce(
        min(session_date) filter (where wanted.version is distinct from built.version),
        'infinity'::date
    ) as stale_from,
    {%- else %}
    min(session_date) as stale_from,
    {%- endif %}
    -- a week's bar is made of all its days, and is there once the week is over
    date_trunc('week', min(session_date))::date as stale_week_from
from {{ symbol_days }} as wanted
{%- if built_days %}
full join {{ built_days }} as built using (symbol, session_date)
where
    wanted.version is distinct from built.version
    or wanted.is_week_over is distinct from built.is_week_over
{%- endif %}
group by symbol
{%- endmacro %}
