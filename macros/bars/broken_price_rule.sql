{% macro broken_price_rule() -%}
{#- Vendors' rounding may put a close above the high by this fraction, and it is then the high: two
    units in the last place of a 32-bit float. -#}
{%- set rounding = '2.5e-7' -%}
{#- Sums and products of prices and volumes must fit decimal(18, 6) and decimal(30, 8). -#}
{%- set min_price = '1e-12' -%}
{%- set max_price = '1e12' -%}
{%- set max_volume = '1e18' -%}
{%- set max_turnover = '1e21' -%}
{%- set largest_double = '1.7976931348623157e308' -%}
{%- set prices = ['open', 'high', 'low', 'close'] -%}
{%- set missing = [] -%}
{%- set nothing = [] -%}
{%- for price in prices -%}
    {%- do missing.append(price ~ ' is null or ' ~ price ~ ' = ' ~ largest_double) -%}
    {%- do nothing.append(
        '(' ~ missing[loop.index0] ~ ' or isnan(' ~ price ~ ') or ' ~ price ~ ' in (0, -1))'
    ) -%}
{%- endfor -%}
case
    when {{ nothing | join(' and ') }} and coalesce({{ stated_volume() }}, 0) = 0
        then 'nothing_traded'
    when volume = 0 and ({{ nothing | join(' or ') }}) then 'nothing_traded'
    when {{ missing | join(' or ') }} then 'missing_price'
    when not (isfinite(open) and isfinite(high) and isfinite(low) and isfinite(close))
        then 'price_is_no_number'
    when open <= 0 or high <= 0 or low <= 0 or close <= 0 then 'price_not_positive'
    when least(open, high, low, close) < {{ min_price }}
        or greatest(open, high, low, close) >= {{ max_price }} then 'impossible_price'
    when high < greatest(open, low, close) * (1 - {{ rounding }}) then 'high_is_not_highest'
    when low > least(open, close) * (1 + {{ rounding }}) then 'low_is_not_lowest'
    when {{ stated_volume() }} < 0
        or {{ stated_volume() }} > {{ max_volume }}
        or {{ stated_volume() }} * high > {{ max_turnover }} then 'impossible_volume'
end
{%- endmacro %}

{% macro stated_volume() -%}
{#- Numbers that mean missing: as feeds and databases write them, and the largest number of a type
    (a double; 32 bits signed, in hundreds or unsigned), where greater volumes were cut off too. -#}
{%- set none_signs = [
    -1, -99, -999, -9999, 2147483600, 2147483647, 4294967295, '1.7976931348623157e308',
] -%}
case when not isnan(volume) and volume not in ({{ none_signs | join(', ') }}) then volume end
{%- endmacro %}
