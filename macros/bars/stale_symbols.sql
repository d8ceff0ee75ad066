{% macro stale_symbols(symbol_days) -%}
{#- Nothing was built before, or all is wanted anew: every symbol from its first day on. -#}
{%- set built_days = load_relation(api.Relation.create(
    database=target.database, schema='bars', identifier='built_days'
)) if execute and not flags.FULL_REFRESH -%}
select
    symbol,
    -- a week's bar is made of all its days
    date_trunc('week', min(session_date))::date as stale_from
{%- if built_days %}
from {{ symbol_days }} as wanted
full join {{ built_days }} as built using (symbol, session_date)
where wanted.version is distinct from built.version
{%- else %}
from {{ symbol_days }} as wanted
{%- endif %}
group by symbol
{%- endmacro %}
