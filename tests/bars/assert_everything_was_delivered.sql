-- What came from somewhere came with a delivery: its file, its rows and its dates are known.
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
)

select *
from named
where
    -- a longer bar of several sources is named by none of them
    (source != 'mixed' and source not in (select deliveries.source from deliveries))
    or (
        delivery is not null
        and (source, delivery) not in (
            select
                deliveries.source,
                deliveries.delivery
            from deliveries
        )
    )
