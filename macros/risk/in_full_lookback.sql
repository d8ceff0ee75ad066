{% macro in_full_lookback(aggregate, value) -%}
case
    when count({{ value }}) {{ over_lookback() }} = lookback_days
        then {{ aggregate }}({{ value }}) {{ over_lookback() }}
end
{%- endmacro %}
