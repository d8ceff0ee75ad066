{% macro series_states(plan, name, arguments, definition, scope) -%}
{#-
    States that depend on their own last value. A definition's `starting_values` are those before the first
    bar that all its formulas know; its `step` is what each bar makes of `before_…`, top to bottom,
    and only the states are kept. The states of all definitions of a plan take each step together, in one
    recursion.
-#}
{%- set own = modules.re.sub('[^a-z0-9_]+', '_', ([name] + arguments) | join('_')) -%}
{%- set inner = {} -%}
{%- do inner.update(scope) -%}
{%- set states = {} -%}
{%- set starting_values = {} -%}
{%- for state, formula in definition.starting_values.items() -%}
    {%- do plan.update({'place': series_place(name, state ~ ' at first', formula), 'name': state}) -%}
    {%- do states.update({state: own ~ '_' ~ state}) -%}
    {%- do inner.update({'before_' ~ state: 'before_' ~ own ~ '_' ~ state}) -%}
    {%- do starting_values.update({state: series_expression(plan, formula, scope)}) -%}
{%- endfor -%}
{%- set steps = {} -%}
{%- for step, formula in definition.step.items() -%}
    {%- do plan.update({'place': series_place(name, step, formula), 'name': step}) -%}
    {%- do steps.update({own ~ '_' ~ step: series_expression(plan, formula, inner)}) -%}
    {%- do inner.update({step: own ~ '_' ~ step}) -%}
{%- endfor -%}
{%- set reads = series_reads(plan, (steps.values() | list + starting_values.values() | list) | join(' ')) -%}
{%- do plan.recursions.update({own: steps}) -%}
{%- for state, column in states.items() -%}
    {%- do plan.columns.update({column: {
        'sql': column, 'increment_sql': column, 'reads': reads.columns + states.values() | list,
        'step': series_recursion_step(), 'start': series_latest(reads.starts + [1]), 'memory': reads.memory + 1,
        'in_session': false, 'recursion': own, 'starting_value': starting_values[state],
    }}) -%}
    {%- do plan.states.append(column) -%}
    {%- do plan.carried.update({column: column}) -%}
    {%- do scope.update({state: column}) -%}
{%- endfor -%}
{%- endmacro %}

{% macro series_recursion(plan, states, live, source, carry) -%}
{#-
    Steps along the bars of all series at once: one look-up a bar in what `source` has numbered. No
    step leads onto the first bar of a series, so none leads from the series before. Each state has a
    row before its first bar: the starting value is taken there, or what an increment finds stored.
    `live`: the columns of `source` that are read later on.
-#}
{%- set recursions = [] -%}
{%- for state in states -%}{%- do recursions.append(plan.columns[state].recursion) -%}{%- endfor -%}
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
            {%- for recursion in recursions | unique %}
            {%- for step, sql in plan.recursions[recursion].items() %},
            {{ sql }} as {{ step }}
            {%- endfor %}
            {%- endfor %}
        from (
            select
                bars.*
                {%- for state in states %},
                case when bars.bar_number > {{ plan.columns[state].start }} then states.{{ state }} else {{ plan.columns[state].starting_value }} end as before_{{ state }}
                {%- endfor %}
            from series_states as states
            inner join {{ source }} as bars on states.series_row + 1 = bars.series_row
            where bars.bar_number > {{ 'bars.first_loaded_bar' if plan.increment else '0' }}
        )
    )
),
{%- endmacro %}

{% macro series_recursion_step() -%}
{#- After whatever can be computed without the states; what is made of them has a later number. -#}
{{ return(1000) }}
{%- endmacro %}
