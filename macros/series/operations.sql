{% macro series_operations() -%}
{#-
    The operations that a formula may call: the macro, how many columns it takes, then how many
    numbers of bars at least and at most. A macro takes the plan and these arguments, and returns the
    planned column of the result. What differs in the lowering to windows is in `windows_…`.
-#}
{{ return({
    'lag': [series_lag, 1, 0, 1],
    'moving_sum': [series_moving_sum, 1, 1, 1],
    'moving_mean': [series_moving_mean, 1, 1, 1],
    'moving_max': [series_moving_max, 1, 1, 1],
    'moving_min': [series_moving_min, 1, 1, 1],
    'moving_variance': [series_moving_variance, 1, 1, 1],
    'moving_stddev': [series_moving_stddev, 1, 1, 1],
    'moving_covariance': [series_moving_covariance, 2, 1, 1],
    'moving_deviation': [series_moving_deviation, 1, 1, 1],
    'weighted_mean': [series_weighted_mean, 1, 1, 1],
    'bars_since_max': [series_bars_since_max, 1, 1, 1],
    'bars_since_min': [series_bars_since_min, 1, 1, 1],
    'ema': [series_ema, 1, 1, 2],
    'wilder': [series_wilder, 1, 1, 1],
    'wilder_sum': [series_wilder_sum, 1, 1, 1],
    'affine': [series_affine, 3, 0, 0],
    'running_total': [series_running_total, 1, 0, 0],
    'session_total': [series_session_total, 1, 0, 0],
    'session_max': [series_session_max, 1, 0, 0],
    'session_min': [series_session_min, 1, 0, 0],
    'at_session_start': [series_at_session_start, 1, 0, 0],
    'before_session': [series_before_session, 1, 0, 0],
    'known_from': [series_known_from, 1, 1, 1],
}) }}
{%- endmacro %}

{% macro series_sql_words() -%}
{#- What else a formula may say: SQL of one row that every engine has. -#}
{{ return([
    'and', 'between', 'case', 'else', 'end', 'false', 'in', 'is', 'not', 'null', 'or', 'then', 'true', 'when',
    'bigint', 'double', 'integer',
    'abs', 'acos', 'asin', 'atan', 'atan2', 'cbrt', 'ceil', 'coalesce', 'cos', 'degrees', 'exp', 'floor',
    'greatest', 'if', 'least', 'ln', 'log10', 'log2', 'mod', 'nullif', 'pi', 'pow', 'power', 'radians',
    'round', 'sign', 'sin', 'sqrt', 'tan',
]) }}
{%- endmacro %}
