{% macro exit_reason(trailing=true) -%}
{%- set forever = "timestamp 'infinity'" -%}
{%- set stop = 'coalesce(stop_touch_ts, ' ~ forever ~ ')' -%}
{%- set first_stop = 'least(' ~ stop ~ ', coalesce(trail_touch_ts, ' ~ forever ~ '))'
    if trailing else stop -%}
case
    when target_touch_ts < {{ first_stop }}
        or (target_touch_ts = {{ first_stop }} and target_opening >= target_level)
        then 'target'
    {%- if trailing %}
    when trail_touch_ts < {{ stop }}
        or (trail_touch_ts = stop_touch_ts and trail_level > stop_level)
        then 'trailing_stop'
    {%- endif %}
    when stop_touch_ts is not null then 'stop'
    else 'time'
end
{%- endmacro %}

{% macro exit_price(trailing=true) -%}
case exit_reason
    when 'target' then abs(greatest(target_opening, target_level))
    when 'stop' then abs(least(stop_opening, stop_level))
    {%- if trailing %}
    when 'trailing_stop' then abs(greatest(least(trail_opening, trail_level), trail_adverse))
    {%- endif %}
    else last_close
end
{%- endmacro %}

{% macro slippage(quantity, price, bps) -%}
({{ quantity }} * {{ price }} * {{ bps }} / 10000)::decimal(18, 4)
{%- endmacro %}

{% macro position_amount(equity) -%}
case sizing
    when 'fixed_fraction' then {{ equity }} * coalesce(sizing_pct, position_pct) / 100
    when 'risk_per_trade'
        then if(
            side * (entry_price - stop_price) > 0,
            {{ equity }} * sizing_pct / 100
            * entry_price / nullif(abs(entry_price - stop_price), 0),
            0
        )
    when 'volatility_target' then {{ equity }} * sizing_pct / nullif(natr_14, 0)
    when 'kelly_capped' then {{ equity }} * kelly_pct / 100
end
{%- endmacro %}
