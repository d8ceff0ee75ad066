{% macro slippage(quantity, price, bps) -%}
({{ quantity }} * {{ price }} * {{ bps }} / 10000)::decimal(18, 4)
{%- endmacro %}
