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
