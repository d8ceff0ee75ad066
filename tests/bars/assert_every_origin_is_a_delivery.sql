-- A row names a source or a delivery that is not in bars.deliveries, so its origin is unknown.
{%- set with_delivery = [
    ref('bars__rejected'), ref('bars__restatements'), ref('bars__delivered_days'),
    ref('bars__ticked_minutes'), ref('bars__total_return_closes')
] -%}
{%- set with_source = with_delivery + [ref('bars__ohlcv'), ref('bars__suspect_jumps')] %}

with

deliveries as (
    select * from {{ ref('bars__deliveries') }}
),

named as (
    {%- for relation in with_source %}
    select distinct
        '{{ relation.identifier }}' as relation,
        source,
        {{ 'delivery' if relation in with_delivery else 'null::varchar as delivery' }}
    from {{ relation }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}
),

-- joins, because `not in` is never true of a list with a null in it
of_no_source as (
    select named.*
    from named
    anti join deliveries using (source)
    -- a longer bar of several sources names none of them
    where named.source is distinct from 'mixed'
),

of_no_delivery as (
    select named.*
    from named
    anti join deliveries using (source, delivery)
    where named.delivery is not null
)

select * from of_no_source
union all
select * from of_no_delivery
