{% macro series_lowering() -%}
{{ return(var('series_lowering') or adapter.dispatch('series_lowering')()) }}
{%- endmacro %}

{% macro duckdb__series_lowering() -%}{{ return('streaming') }}{%- endmacro %}

{% macro default__series_lowering() -%}{{ return('windows') }}{%- endmacro %}
