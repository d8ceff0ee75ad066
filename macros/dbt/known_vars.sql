{% macro known_vars() -%}
{{ return([
    'as_of',
    'min_jump_ratio',
    'max_day_minute_ratio',
    'min_copied_symbols',
    'min_copied_prices',
    'max_rejected_pct',
    'min_unsound_symbols',
    'min_trade_count',
    'series_lowering',
    'ewma_decay',
    'monte_carlo_draws',
    'monte_carlo_seed',
]) }}
{%- endmacro %}
