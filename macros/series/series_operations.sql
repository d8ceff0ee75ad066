{% macro series_operations() -%}
{{ return([
    'lag',
    'moving_sum', 'moving_mean', 'moving_max', 'moving_min', 'moving_stddev',
    'ema', 'wilder', 'wilder_sum',
    'running_total', 'session_total',
    'known_from',
]) }}
{%- endmacro %}
