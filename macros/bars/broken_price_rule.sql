{% macro broken_price_rule() -%}
{#- Volumes that a vendor's type could not exceed: 2^31 in hundreds, 2^31, 2^32. -#}
{%- set volume_caps = [2147483600, 2147483647, 4294967295] -%}
case
    when open is null or high is null or low is null or close is null then 'missing_price'
    when not (isfinite(open) and isfinite(high) and isfinite(low) and isfinite(close))
        then 'price_is_no_number'
    when open <= 0 or high <= 0 or low <= 0 or close <= 0 then 'price_not_positive'
    when high < open or high < close or high < low then 'high_is_not_highest'
    when low > open or low > close then 'low_is_not_lowest'
    when volume < 0 or not isfinite(volume) or volume in ({{ volume_caps | join(', ') }})
        then 'impossible_volume'
end
{%- endmacro %}
