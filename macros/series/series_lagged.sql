{% macro series_lagged(value, bars) -%}
{{ return(value if bars == 0 else 'lag(' ~ value ~ ', ' ~ bars ~ ') over ()') }}
{%- endmacro %}
