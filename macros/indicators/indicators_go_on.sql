{% macro indicators_go_on(symbol_days, stale_symbols) -%}
{#-
    Whether there is an earlier build to continue from, and most of it is still valid: otherwise it
    is cheaper to build everything again than to delete most of it and insert it again.
-#}
{%- if should_full_refresh() or not load_relation(stale_symbols) -%}
    {{ return(false) }}
{%- endif -%}
{%- set found = run_query(
    'select coalesce(avg((stale_from is not null and session_date >= stale_from)::integer), 0) from '
    ~ symbol_days ~ ' left join ' ~ stale_symbols ~ ' using (symbol)'
) -%}
{{ return(found.rows[0][0] < 0.5) }}
{%- endmacro %}
