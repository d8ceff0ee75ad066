{% macro series_moving_start(plan, values, bars) -%}
{%- set starts = [] -%}
{%- for value in values -%}{%- do starts.append(plan.columns[value].start) -%}{%- endfor -%}
{{ return(series_plus(series_latest(starts), series_plus(bars, -1))) }}
{%- endmacro %}
