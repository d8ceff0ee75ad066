{% macro charge_components() -%}
{{ return([
    'brokerage_amount', 'tax_amount', 'exchange_amount', 'regulator_amount', 'gst_amount',
    'stamp_amount', 'share_amount', 'depository_amount'
]) }}
{%- endmacro %}

{% macro fill_charges(side, quantity, price, schedule) -%}
{%- set money = '::decimal(18, 4)' -%}
{%- set turnover = '(' ~ quantity ~ ' * ' ~ price ~ ' / 100)' -%}
{%- set share = turnover ~ ' * ' ~ schedule ~ '.brokerage_pct' -%}
{%- set brokerage = 'least(' ~ share ~ ', coalesce(' ~ schedule ~ '.max_brokerage_amount, ' ~ share
    ~ '))' -%}
{%- set exchange = turnover ~ ' * ' ~ schedule ~ '.exchange_pct' -%}
{%- set regulator = turnover ~ ' * ' ~ schedule ~ '.' ~ side ~ '_regulator_pct' -%}
{%- set unit = schedule ~ '.tax_unit_amount' -%}
{
    'brokerage_amount': ({{ brokerage }}){{ money }},
    'tax_amount': {{ in_whole_units(turnover ~ ' * ' ~ schedule ~ '.' ~ side ~ '_tax_pct', unit) }},
    'exchange_amount': ({{ exchange }}){{ money }},
    'regulator_amount': ({{ regulator }}){{ money }},
    'gst_amount': (
        ({{ brokerage }} + {{ exchange }} + {{ regulator }}) * {{ schedule }}.gst_pct / 100
    ){{ money }},
    {%- if side == 'buy' %}
    'stamp_amount': {{ in_whole_units(turnover ~ ' * ' ~ schedule ~ '.buy_stamp_pct', unit) }},
    'share_amount': 0{{ money }},
    'depository_amount': 0{{ money }}
    {%- else %}
    'stamp_amount': 0{{ money }},
    'share_amount': least(
        {{ quantity }} * {{ schedule }}.sell_share_amount, {{ schedule }}.max_sell_share_amount
    ){{ money }},
    'depository_amount': ({{ schedule }}.sell_depository_amount){{ money }}
    {%- endif %}
}
{%- endmacro %}

{% macro total_charges(charges) -%}
(
{%- for component in charge_components() -%}
{{ charges }}['{{ component }}']{{ ' + ' if not loop.last }}
{%- endfor -%}
)
{%- endmacro %}

{% macro in_whole_units(amount, unit) -%}
{#- Half a rupee may be slightly less in floating point: amounts are rounded to 8 decimals. -#}
if(
    {{ unit }} is null,
    ({{ amount }})::decimal(18, 4),
    (round(({{ amount }})::decimal(18, 8)::double / {{ unit }}) * {{ unit }})::decimal(18, 4)
)
{%- endmacro %}
