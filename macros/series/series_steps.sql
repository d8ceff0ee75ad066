{% macro series_steps(plan, outputs, bars) -%}
{#- The last step at which a column is still read, so that none is carried further. -#}
{%- set last_step = plan.columns.values() | map(attribute='step') | max -%}
{%- set read_until = {} -%}
{%- for column in plan.columns.values() -%}
    {%- for read in column.reads -%}
        {%- do read_until.update({read: [read_until.get(read, 0), column.step] | max}) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for column in ['symbol', 'timeframe', 'bar_ts', 'bar_number'] -%}
    {%- do read_until.update({column: last_step + 1}) -%}
{%- endfor -%}
{%- for output in outputs.values() -%}
    {%- for column in output.reads -%}
        {%- do read_until.update({column: last_step + 1}) -%}
    {%- endfor -%}
{%- endfor -%}

series_0 as not materialized (
    select
        symbol,
        timeframe,
        bar_ts,
        bar_number,
        session_bar_number,
        adjusted_open as open,
        adjusted_high as high,
        adjusted_low as low,
        adjusted_close as close,
        adjusted_volume as volume
    from {{ bars }}
    -- lag(…) over () below streams through the bars as they come: this is what they come in
    order by symbol, timeframe, bar_ts
),
{% for step in range(1, last_step + 1) %}
series_{{ step }} as not materialized (
    select
    {%- for name, column in plan.columns.items() if column.step <= step and read_until.get(name, 0) > step %}
        {% if column.step == step %}{{ column.sql }} as {% endif %}{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from series_{{ step - 1 }}
),
{% endfor %}
final as (
    select
        symbol,
        timeframe,
        bar_ts,
    {%- for name, output in outputs.items() %}
        {%- set starts = [0] -%}
        {%- for column in output.reads -%}{%- do starts.append(plan.columns[column].start) -%}{%- endfor %}
        case when bar_number >= {{ starts | max }} then {{ output.sql }} end as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from series_{{ last_step }}
)
{%- endmacro %}
