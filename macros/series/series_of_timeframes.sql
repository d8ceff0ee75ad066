{% macro series_of_timeframes(timeframes) -%}
{%- if timeframes is none -%}{{ return('true') }}{%- endif -%}
{{ return("timeframe in ('" ~ timeframes | join("', '") ~ "')") }}
{%- endmacro %}
