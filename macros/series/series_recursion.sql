{% macro series_recursion(plan, states, live, source, carry) -%}
{#-
    Steps along the bars of all series at once: one look-up a bar in what `source` has numbered. No
    step leads onto the first bar of a series, so none leads from the series before. Each state has a
    row before its first bar: the seed is taken there, or what an increment finds stored. `live`: the
    columns of `source` that are read later on.
-#}
{%- set machines = [] -%}
{%- for state in states -%}{%- do machines.append(plan.columns[state].machine) -%}{%- endfor -%}
series_states as (
    select
        {{ live | join(', ') }}, series_row
        {%- for state in states %},
        {{ carry[state] if plan.increment else 'null::double' }} as {{ state }}
        {%- endfor %}
    from {{ source }}
    where bar_number = {{ 'case when first_loaded_bar > 0 then first_stale_bar - 1 else 0 end' if plan.increment else '0' }}
    union all
    select
        {{ live | join(', ') }}, series_row
        {%- for state in states %},
        ({{ state }})::double
        {%- endfor %}
    from (
        select
            *
            {%- for machine in machines | unique %}
            {%- for step, sql in plan.machines[machine].items() %},
            {{ sql }} as {{ step }}
            {%- endfor %}
            {%- endfor %}
        from (
            select
                bars.*
                {%- for state in states %},
                case when bars.bar_number > {{ plan.columns[state].start }} then states.{{ state }} else {{ plan.columns[state].seed }} end as before_{{ state }}
                {%- endfor %}
            from series_states as states
            inner join {{ source }} as bars on states.series_row + 1 = bars.series_row
            where bars.bar_number > {{ 'bars.first_loaded_bar' if plan.increment else '0' }}
        )
    )
),
{%- endmacro %}
