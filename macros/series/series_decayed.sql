{% macro series_decayed(plan, value, name, seed_start, seed_end, seed_weight, weight, decay) -%}
{#-
    y = decay * y of the bar before + weight * value, from the bar after `seed_end` on. The seed,
    `seed_weight` times the sum of the values from `seed_start` to `seed_end`, is laid into those bars
    themselves, so it needs no pass of its own. Doubling stops where a value has faded below 1e-16.
-#}
{%- set seeded -%}
case when bar_number > {{ seed_end }} then {{ weight }} * {{ value }} when bar_number >= {{ seed_start }} then {{ seed_weight }} * {{ value }} * pow({{ decay }}, bar_number - {{ seed_end }}) else 0.0::double end
{%- endset -%}
{%- set at = namespace(
    column=series_planned(plan, name ~ '_1', seeded, [value, 'bar_number'], 0), size=1
) -%}
{%- for _ in range(20) if decay ** at.size >= 1e-16 -%}
    {%- set jump = namespace(column=at.column, bars=at.size) -%}
    {#- A lag of 2,048 bars or more no longer streams: it is taken in jumps of 1,024. -#}
    {%- for _ in range(64) if jump.bars > 1024 -%}
        {%- set jump.column = series_planned(
            plan, name ~ '_jump_' ~ at.size ~ '_' ~ jump.bars,
            'lag(' ~ jump.column ~ ', 1024) over ()', [jump.column], 0
        ) -%}
        {%- set jump.bars = jump.bars - 1024 -%}
    {%- endfor -%}
    {%- set sql -%}
{{ at.column }} + {{ decay ** at.size }} * case when bar_number >= {{ at.size }} then lag({{ jump.column }}, {{ jump.bars }}) over () else 0.0 end
    {%- endset -%}
    {%- set at.size = at.size * 2 -%}
    {%- set at.column = series_planned(
        plan, name ~ '_' ~ at.size, sql, [at.column, jump.column, 'bar_number'] | unique | list, 0
    ) -%}
{%- endfor -%}
{{ return(at.column) }}
{%- endmacro %}
