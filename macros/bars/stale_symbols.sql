{% macro stale_symbols(symbol_days, layer) -%}
{#- Without an earlier build, or on a full refresh: every symbol from its first day on. -#}
{%- set built_days = built_days(layer) -%}
select
    symbol,
    {%- if built_days %}
    coalesce(
        min(session_date) filter (where latest.version is distinct from built.version),
        'infinity'::date
    ) as stale_from,
    {%- else %}
    min(session_date) as stale_from,
    {%- endif %}
    -- a weekly bar is made of all its days, and exists once the week is over
    date_trunc('week', min(session_date))::date as stale_week_from
from {{ symbol_days }} as latest
{%- if built_days %}
full join {{ built_days }} as built using (symbol, session_date)
where
    latest.version is distinct from built.version
    or latest.is_week_over is distinct from built.is_week_over
{%- endif %}
group by symbol
{%- endmacro %}
