{% macro of_given_bars(plan, outputs, bars) -%}
{#-
    The query that a unit test compares: a family over the bars that it gives, in order. Prices and
    volumes that it leaves out are null. Values have nine decimals, because they are worked out by
    hand, and a zero has no sign.
-#}
{%- set given -%}
(
    select
        {% for name in ['open', 'high', 'low', 'close', 'volume'] -%}
        null::double as adjusted_{{ name }},
        {% endfor -%}
        null::bigint as session_bar_number
    where false
    union all by name
    select * from {{ bars }}
) order by symbol, timeframe, bar_ts
{%- endset -%}
select
    symbol,
    timeframe,
    bar_ts
    {%- for name, output in outputs.items() %},
    {{ 'round(' ~ name ~ ', 9) + 0 as ' ~ name if output.type == 'double' else name }}
    {%- endfor %}
from (
{{ series_steps(plan, outputs, given) }}
)
{%- endmacro %}
