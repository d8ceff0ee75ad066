{%- set key = '(symbol, timeframe, bar_ts)' -%}
{%- set columns = [] -%}
{%- for family in families() %}{% do columns.append(family ~ '.* exclude ' ~ key) %}{% endfor -%}

{#- The last bar of each series is looked up first, so that each family is read only at its end. -#}
with

latest_bars as (
    select * from {{ ref('serving__latest_bars') }}
){% for family in families() %},

{{ family }} as (
    select * from {{ ref('indicators__' ~ family) }}
    semi join latest_bars using (symbol, timeframe, bar_ts)
){% endfor %}

select
    symbol,
    timeframe,
    bar_ts,
    latest_bars.bar_end,
    latest_bars.close,
    {{ columns | join(',\n    ') }}
from latest_bars{% for family in families() %}
left join {{ family }} using (symbol, timeframe, bar_ts){% endfor %}
order by symbol, timeframe
