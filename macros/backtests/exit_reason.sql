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
