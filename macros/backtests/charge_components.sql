{% macro charge_components() -%}
{{ return([
    'brokerage_amount', 'tax_amount', 'exchange_amount', 'regulator_amount', 'gst_amount',
    'stamp_amount', 'share_amount', 'depository_amount'
]) }}
{%- endmacro %}
