{% macro in_full_lookback(aggregate, value, setting=none) -%}
case
    when count({{ value }}) {{ over_lookback() }} = lookback_days
        then {{ aggregate }}({{ value }}{{ ', ' ~ setting if setting }}) {{ over_lookback() }}
end
{%- endmacro %}
