{% macro live_models() -%}
{{ return([
    'bars__ticked_minutes',
    'bars__checked_minutes',
    'bars__ohlcv',
    'scanners__session_minutes',
    'scanners__sessions',
    'scanners__histories',
    'scanners__prior_sessions',
    'scanners__opening_ranges',
    'scanners__signals',
]) }}
{%- endmacro %}
