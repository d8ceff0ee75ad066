{% macro preferred_rows(rows, key) -%}
-- nearly always: the bar has one row, so that row counts
uncontested as (
    select
        * exclude (is_contested, precedence),
        1 as preference
    from {{ rows }}
    where not is_contested
),

-- several rows of one bar: 1 is the sound row of the best source that was delivered last
contested as (
    select
        * exclude (is_contested, precedence)
        replace (
            case
                when broken_rule is not null then broken_rule
                when lag(delivery) over by_preference = delivery then 'duplicate'
            end as broken_rule
        ),
        row_number() over by_preference as preference
    from {{ rows }}
    where is_contested
    window by_preference as (
        partition by {{ key | join(', ') }}
        order by
            broken_rule is not null,
            {{ preference_order() }}
    )
),

final as (
    select * from uncontested
    union all
    select * from contested
)
{%- endmacro %}

{% macro preference_order() -%}
precedence desc, delivered_at desc, delivery desc, source_row desc
{%- endmacro %}
