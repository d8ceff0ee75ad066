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
