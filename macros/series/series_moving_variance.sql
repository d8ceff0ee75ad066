{% macro series_moving_variance(plan, value, bars) -%}
{{ return(series_operation_on(plan, 'moving_covariance', [value, value, bars])) }}
{%- endmacro %}
