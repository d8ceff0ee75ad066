{% macro series_operations(lowering) -%}
{#-
    The operations that a formula may call: its word, how many columns it takes, then how many numbers
    of bars at least and at most, and the macro of either lowering. A macro takes the plan and these
    arguments, and returns the planned column of the result.
-#}
{%- set operations = {
    'lag': [1, 0, 1, series_lag, series_lag],
    'moving_sum': [1, 1, 1, streaming_moving_sum, windows_moving_sum],
    'moving_mean': [1, 1, 1, series_moving_mean, series_moving_mean],
    'moving_max': [1, 1, 1, streaming_moving_max, windows_moving_max],
    'moving_min': [1, 1, 1, streaming_moving_min, windows_moving_min],
    'moving_variance': [1, 1, 1, series_moving_variance, series_moving_variance],
    'moving_stddev': [1, 1, 1, series_moving_stddev, series_moving_stddev],
    'moving_covariance': [2, 1, 1, streaming_moving_covariance, windows_moving_covariance],
    'moving_deviation': [1, 1, 1, series_moving_deviation, series_moving_deviation],
    'weighted_mean': [1, 1, 1, streaming_weighted_mean, windows_weighted_mean],
    'bars_since_max': [1, 1, 1, streaming_bars_since_max, windows_bars_since_max],
    'bars_since_min': [1, 1, 1, streaming_bars_since_min, windows_bars_since_min],
    'ema': [1, 1, 2, series_ema, series_ema],
    'wilder': [1, 1, 1, series_wilder, series_wilder],
    'wilder_sum': [1, 1, 1, series_wilder_sum, series_wilder_sum],
    'affine': [3, 0, 0, series_affine, series_affine],
    'running_total': [1, 0, 0, streaming_running_total, windows_running_total],
    'session_total': [1, 0, 0, streaming_session_total, windows_session_total],
    'session_max': [1, 0, 0, streaming_session_max, windows_session_max],
    'session_min': [1, 0, 0, streaming_session_min, windows_session_min],
    'at_session_start': [1, 0, 0, streaming_at_session_start, windows_at_session_start],
    'before_session': [1, 0, 0, series_before_session, series_before_session],
    'known_from': [1, 1, 1, series_known_from, series_known_from],
} -%}
{%- set chosen = {} -%}
{%- for word, (columns, least, most, streaming, windows) in operations.items() -%}
    {%- do chosen.update({word: {
        'columns': columns, 'least': least, 'most': most,
        'macro': streaming if lowering == 'streaming' else windows,
    }}) -%}
{%- endfor -%}
{{ return(chosen) }}
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
