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

{% macro hash_of_stale_symbols() -%}
(
    select md5(coalesce(string_agg(to_json(stale)::varchar, '|' order by symbol), ''))
    from {{ this }} as stale
)
{%- endmacro %}

{% macro list_of_stale_bars(symbol_days, stale_symbols) -%}
{#- NULL if no bars are listed, because all families are built from all bars. -#}
{%- if is_mostly_fresh(symbol_days, stale_symbols) -%}
(select stale_list from {{ build_state() }} where model = 'indicators__stale_symbols')
{%- else -%}
null
{%- endif -%}
{%- endmacro %}

{% macro has_bars_of_stale_symbols() -%}
{#-
    Whether the stale bars are those of the stale symbols. They are not if only one of the two
    tables was built last, or if the families were to be built from all bars: a family that deleted
    by one list and inserted by another would lose bars or have some twice.
-#}
{%- set lists = build_states(['indicators__stale_symbols', 'indicators__stale_bars'])
    | map(attribute='stale_list') | list -%}
{{ return(lists | length == 2 and lists[0] is not none and lists[0] == lists[1]) }}
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
