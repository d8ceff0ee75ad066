{% macro table_macros() -%}
{%- set bars = ref('bars__ohlcv').include(database=false) -%}
{%- set checked = series_exists() -%}
{%- if execute -%}
    {%- for name in indicator_definitions() %}
{{ table_macro(name, bars, checked) }}
    {%- endfor %}
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}

{% macro rising_periods() -%}
{#- Swapped, they would silently be another indicator. -#}
{{ return([
    ['fast', 'medium', 'slow'],
    ['fastest', 'slowest'],
    ['tenkan', 'kijun', 'senkou'],
]) }}
{%- endmacro %}

{% macro table_macro(name, bars, checked) -%}
{#- A definition with its periods and settings as parameters, computed on read from the bars of one
    series. -#}
{%- set definition = definition_of(name) -%}
{%- set plan = series_plan('streaming', true) -%}
{%- set parameters = ['p_symbol', 'p_timeframe'] -%}
{%- set arguments = {} -%}
{%- set numbers = {} -%}
{%- set described = [
    '- `p_symbol`: Symbol of the series.',
    '- `p_timeframe`: Length of the bars: 1m, 5m, 15m, 30m, 1h, 1d or 1w.',
] -%}
{%- for period, default in definition.periods.items() -%}
    {%- do parameters.append('p_' ~ period ~ ' := ' ~ default) -%}
    {%- do arguments.update({'p_' ~ period: 'p_' ~ period}) -%}
    {%- set p = 'p_' ~ period -%}
    {%- do numbers.update({p: name ~ ': ' ~ period}) -%}
    {%- do described.append(
        '- `' ~ p ~ '`: a whole number of bars from 1 to 2047, by default ' ~ default ~ '.'
    ) -%}
{%- endfor -%}
{%- for setting, default in definition.settings.items() -%}
    {%- do parameters.append('p_' ~ setting ~ ' := ' ~ default) -%}
    {%- do arguments.update({'p_' ~ setting: 'p_' ~ setting}) -%}
    {%- do described.append('- `p_' ~ setting ~ '`: by default ' ~ default ~ '.') -%}
{%- endfor -%}
{%- set rising = [] -%}
{%- for names in rising_periods() -%}
    {%- set ordered = [] -%}
    {%- for parameter in names if 'p_' ~ parameter in arguments -%}
        {%- do ordered.append('p_' ~ parameter) -%}
    {%- endfor -%}
    {%- do rising.append(ordered) -%}
{%- endfor -%}
{%- set outputs = {} -%}
{%- for output, column in series_indicator(
    plan, name, arguments.keys() | list, arguments
).items() -%}
    {%- do outputs.update({output: {'column': column, 'type': definition.type}}) -%}
{%- endfor -%}
{%- set conditions = ['symbol = p_symbol', 'timeframe = p_timeframe', checked] -%}
create or replace macro indicators.{{ name }}({{ parameters | join(', ') }}) as table (
{{ query_as_text(
    series_steps(plan, outputs, bars ~ ' where ' ~ conditions | join(' and ') ~ ' order by bar_ts'),
    texts=['p_symbol', 'p_timeframe'],
    numbers=numbers,
    rising=rising
) }}
);
comment on macro table indicators.{{ name }}
is {{ duckdb_escape_comment(
    [definition.title ~ '. Source: ' ~ definition.source ~ '.', definition.notes]
    | select | join(' ') ~ '\n\n' ~ described | join('\n')
) }};
{%- endmacro %}
