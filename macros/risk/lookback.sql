{% macro over_lookback() -%}
over (
    partition by portfolio, horizon_days, lookback_days
    order by session_date
    rows between lookback_days preceding and 1 preceding
)
{%- endmacro %}

{% macro in_full_lookback(aggregate, value, setting=none) -%}
case
    when count({{ value }}) {{ over_lookback() }} = lookback_days
        then {{ aggregate }}({{ value }}{{ ', ' ~ setting if setting }}) {{ over_lookback() }}
end
{%- endmacro %}

{% macro horizon_scaling(kind) -%}
if(horizon_days = 1, 'none', '{{ kind }}')
{%- endmacro %}

{% macro decayed_weights(decay, count) -%}
list_transform(
    range({{ count }}),
    lambda number: pow({{ decay }}, {{ count }} - 1 - number)
    * (1 - {{ decay }}) / (1 - pow({{ decay }}, {{ count }}))
)
{%- endmacro %}
