{% macro stale_series(plan, outputs, reach, bars, stale_bars, timeframes) -%}
{#-
    What an increment computes from: of each stale series the bars from the first stale one on, and as
    many before it as the family looks back; all of them where that would reach into the warm-up.
    With it the stored totals that running totals go on from, which stand in the first bar's row.
-#}
{%- set near = reach.memory + reach.start <= stale_bars_before() -%}
{%- set first_loaded -%}
case when first_stale_bar - {{ reach.memory }} < {{ reach.start + 1 }} then 0 else first_stale_bar - {{ reach.memory }} end
{%- endset -%}
{%- set carry = {} -%}
{%- for name, output in outputs.items() if output.column in plan.carried -%}
    {%- do carry.update({plan.carried[output.column]: 'carried_' ~ name}) -%}
{%- endfor -%}
{%- for total, begun in plan.carried.items() if begun not in carry -%}
    {{ exceptions.raise_compiler_error(model.name ~ ': the family must store the output of each running total, because an incremental build continues from that column') }}
{%- endfor -%}
{%- set of_family = series_of_timeframes(timeframes) -%}
{%- set source -%}
(
    select *
    from (
        select
            bars.*,
            {% if not near %}first_stale_bars.first_stale_bar,{% endif %}
            {{ first_loaded }} as first_loaded_bar
        from {{ stale_bars if near else bars }} as bars
        {%- if not near %}
        inner join (
            select
                symbol,
                timeframe,
                any_value(first_stale_bar) as first_stale_bar
            from {{ stale_bars }}
            where {{ of_family }}
            group by symbol, timeframe
        ) as first_stale_bars using (symbol, timeframe)
        {%- endif %}
        where {{ of_family }}
    )
    where bar_number >= first_loaded_bar
)
{%- endset -%}
{%- if carry -%}
    {%- set source -%}
(
    select
        loaded.*,
        {% for total, column in carry.items() %}
        stored.{{ column[8:] }} as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ source }} as loaded
    left join (
        select kept.*
        from {{ this }} as kept
        semi join (
            select symbol, timeframe, bar_ts from {{ source }}
            where bar_number <= first_loaded_bar + {{ reach.memory }}
        ) as firsts using (symbol, timeframe, bar_ts)
    ) as stored using (symbol, timeframe, bar_ts)
)
    {%- endset -%}
{%- endif -%}
{%- if carry or not near -%}
    {%- set source = source ~ ' order by symbol, timeframe, bar_ts' -%}
{%- endif -%}
{{ return([source, carry]) }}
{%- endmacro %}

{% macro stale_bars_before() -%}
{#- How many bars before the first stale one are laid out for all families; one that looks back
    further reads the bars themselves. -#}
{{ return(2048) }}
{%- endmacro %}
