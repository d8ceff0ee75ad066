{% macro over_lookback() -%}
over (
    partition by portfolio, horizon_sessions, lookback_sessions
    order by session_date
    rows between lookback_sessions preceding and 1 preceding
)
{%- endmacro %}

{% macro in_full_lookback(aggregate, value, setting=none) -%}
case
    when count({{ value }}) {{ over_lookback() }} = lookback_sessions
        then {{ aggregate }}({{ value }}{{ ', ' ~ setting if setting }}) {{ over_lookback() }}
end
{%- endmacro %}

{% macro horizon_scaling(kind) -%}
if(horizon_sessions = 1, 'none', '{{ kind }}')
{%- endmacro %}

{% macro decayed_weights(decay, count) -%}
list_transform(
    range({{ count }}),
    lambda number: pow({{ decay }}, {{ count }} - 1 - number)
    * (1 - {{ decay }}) / (1 - pow({{ decay }}, {{ count }}))
)
{%- endmacro %}
