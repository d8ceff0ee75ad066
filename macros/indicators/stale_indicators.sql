{% macro is_mostly_fresh(symbol_days, stale_symbols) -%}
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

{% macro first_stale_ts(stale_symbols) -%}
{#- No bar before it is stale, so a join with each symbol's own time can skip those bars unread. -#}
select min(least(stale_from_ts, stale_week_from_ts)) from {{ stale_symbols }}
{%- endmacro %}

{% macro get_incremental_stale_indicators_sql(arguments) -%}
{%- set family = arguments.target_relation -%}
{%- set stale_symbols = ref('indicators__stale_symbols') -%}
delete from {{ family }}
using {{ stale_symbols }} as stale
where
    {{ family }}.bar_ts >= ({{ first_stale_ts(stale_symbols) }})
    and {{ family }}.symbol = stale.symbol
    and {{ family }}.bar_ts
    >= if({{ family }}.timeframe = '1w', stale.stale_week_from_ts, stale.stale_from_ts)
{%- endmacro %}
