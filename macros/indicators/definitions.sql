{% macro indicator_definitions() -%}
{#- Each indicator and the macro that defines it, in macros/indicators/<indicator>.sql. -#}
{{ return({
    'ad': indicator_ad,
    'adosc': indicator_adosc,
    'apo': indicator_apo,
    'aroon': indicator_aroon,
    'atr': indicator_atr,
    'average_deviation': indicator_average_deviation,
    'average_price': indicator_average_price,
    'beta': indicator_beta,
    'bollinger': indicator_bollinger,
    'bop': indicator_bop,
    'candles_of_more_bars': indicator_candles_of_more_bars,
    'candles_of_one_bar': indicator_candles_of_one_bar,
    'candles_of_three_bars': indicator_candles_of_three_bars,
    'candles_of_two_bars': indicator_candles_of_two_bars,
    'cci': indicator_cci,
    'chaikin_volatility': indicator_chaikin_volatility,
    'cmf': indicator_cmf,
    'cmo': indicator_cmo,
    'correlation': indicator_correlation,
    'dema': indicator_dema,
    'directional_movement': indicator_directional_movement,
    'donchian': indicator_donchian,
    'ema': indicator_ema,
    'fast_stochastic': indicator_fast_stochastic,
    'hma': indicator_hma,
    'ichimoku': indicator_ichimoku,
    'kama': indicator_kama,
    'keltner': indicator_keltner,
    'linear_regression': indicator_linear_regression,
    'macd': indicator_macd,
    'median_price': indicator_median_price,
    'mfi': indicator_mfi,
    'midpoint': indicator_midpoint,
    'midprice': indicator_midprice,
    'momentum': indicator_momentum,
    'natr': indicator_natr,
    'obv': indicator_obv,
    'pivot_points_camarilla': indicator_pivot_points_camarilla,
    'pivot_points_classic': indicator_pivot_points_classic,
    'pivot_points_fibonacci': indicator_pivot_points_fibonacci,
    'ppo': indicator_ppo,
    'psar': indicator_psar,
    'roc': indicator_roc,
    'rsi': indicator_rsi,
    'sma': indicator_sma,
    'stddev': indicator_stddev,
    'stochastic': indicator_stochastic,
    'stochastic_rsi': indicator_stochastic_rsi,
    'supertrend': indicator_supertrend,
    't3': indicator_t3,
    'tema': indicator_tema,
    'trima': indicator_trima,
    'trix': indicator_trix,
    'true_range': indicator_true_range,
    'typical_price': indicator_typical_price,
    'ultimate': indicator_ultimate,
    'variance': indicator_variance,
    'vortex': indicator_vortex,
    'vwap': indicator_vwap,
    'weighted_close': indicator_weighted_close,
    'williams_r': indicator_williams_r,
    'wma': indicator_wma,
}) }}
{%- endmacro %}

{% macro definition_of(name) -%}
{#- An indicator's definition with its defaults. -#}
{%- set defined = indicator_definitions()[name] -%}
{{ return(checked_definition(name, none if defined is undefined else defined())) }}
{%- endmacro %}

{% macro checked_definition(name, text) -%}
{%- set definition = {
    'periods': {}, 'settings': {}, 'define': {}, 'starting_values': {}, 'step': {}, 'notes': '',
    'talib': '', 'type': 'double', 'within': none,
} -%}
{%- if text is none -%}
    {{ exceptions.raise_compiler_error(
        'macros/indicators/definitions.sql: ' ~ name
        ~ ': there is no macro of the name on its line; it is indicator_' ~ name ~ ', in macros/indicators/' ~ name ~ '.sql'
    ) }}
{%- endif -%}
{%- set given = fromyaml(text) -%}
{%- set required = ['title', 'source', 'outputs'] -%}
{%- if given is none -%}
    {{ exceptions.raise_compiler_error(
        'macros/indicators/' ~ name ~ ".sql: a definition has one 'name: value' a line, and not '"
        ~ unread_line(text) ~ "'"
    ) }}
{%- endif -%}
{%- if given is not mapping or not (given.title and given.source and given.outputs) -%}
    {{ exceptions.raise_compiler_error(
        'macros/indicators/' ~ name ~ '.sql: a definition is YAML with the keys '
        ~ required | join(', ') ~ ", and outputs has one 'name: formula' a line"
    ) }}
{%- endif -%}
{%- for key in ['periods', 'settings', 'define', 'starting_values', 'step', 'outputs']
    if key in given and given[key] is not mapping -%}
    {{ exceptions.raise_compiler_error(
        'macros/indicators/' ~ name ~ '.sql: ' ~ key
        ~ " has one 'name: value' a line, and not '" ~ given[key] ~ "'"
    ) }}
{%- endfor -%}
{%- for key in ['periods', 'settings'] -%}
    {%- for number, value in (given[key] or {}).items() if value is not number -%}
        {{ exceptions.raise_compiler_error(
            'macros/indicators/' ~ name ~ '.sql: ' ~ key ~ ': ' ~ number ~ ' must be a number'
            ~ (", and not '" ~ value ~ "'" if value is not none else ', and has none')
        ) }}
    {%- endfor -%}
{%- endfor -%}
{%- for key in given if key not in definition and key not in required -%}
    {{ exceptions.raise_compiler_error(
        'macros/indicators/' ~ name ~ ".sql: '" ~ key ~ "' is not a key of a definition; "
        ~ 'the keys are ' ~ (required + definition.keys() | list) | join(', ')
    ) }}
{%- endfor -%}
{%- do definition.update(given) -%}
{#- talib is the function of all outputs, or a list in the order of the outputs. -#}
{%- set talib = {} -%}
{%- for output in definition.outputs -%}
    {%- do talib.update({
        output: definition.talib if definition.talib is string else definition.talib[loop.index0] or ''
    }) -%}
{%- endfor -%}
{%- do definition.update({'talib': talib}) -%}
{{ return(definition) }}
{%- endmacro %}

{% macro unread_line(text) -%}
{#-
    The line of a text that keeps it from being YAML: that after the longest part that is, or the
    one above it if that has no colon where it needs one.
-#}
{%- set lines = text.split('\n') -%}
{%- set read = namespace(count=0) -%}
{%- for count in range(1, lines | length) if fromyaml(lines[:count] | join('\n')) is not none -%}
    {%- set read.count = count -%}
{%- endfor -%}
{%- set line, above = lines[read.count], lines[read.count - 1] -%}
{%- set indent = line | length - line.lstrip() | length -%}
{%- if ':' not in above and above.strip() and above | length - above.lstrip() | length == indent -%}
    {{ return(above.strip()) }}
{%- endif -%}
{{ return(line.strip()) }}
{%- endmacro %}

{% macro planned_outputs(plan, calls, file=none) -%}
{#- Plans `macd(12, 26, 9)`, whose outputs are macd_12_26_9, macd_signal_12_26_9, … -#}
{%- set outputs = {} -%}
{%- for call in calls -%}
    {%- set name = call.split('(')[0] -%}
    {%- set arguments = call.split('(')[1].strip(') ').split(',') | map('trim') | select | list
        if '(' in call else [] -%}
    {%- do plan.update({'place': file ~ ': ' ~ call if file else call}) -%}
    {%- set columns = series_indicator(plan, name, arguments) -%}
    {%- set definition = definition_of(name) -%}
    {%- set periods = definition.periods.values() | list -%}
    {%- set periods = (arguments + periods[arguments | length:])[:periods | length] -%}
    {%- for output, column in columns.items() -%}
        {%- do outputs.update({
            ([output] + periods) | join('_'): {
                'column': column, 'type': definition.type, 'call': call,
                'formula': definition.outputs[output], 'within': definition.within,
            }
        }) -%}
    {%- endfor -%}
{%- endfor -%}
{{ return(outputs) }}
{%- endmacro %}
