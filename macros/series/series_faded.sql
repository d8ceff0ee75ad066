{% macro series_faded(plan, value, name, seed_start, seed_end, seed_weight, weight, decay, decay_number) -%}
{#-
    y = decay * y of the bar before + weight * value, from the bar after `seed_end` on. The seed,
    `seed_weight` times the sum of the values from `seed_start` to `seed_end`, is laid into those bars
    themselves, so it needs no pass of its own. `decay_number` is none where it is a parameter's.
-#}
{%- set seeded -%}
case when bar_number > {{ seed_end }} then {{ weight }} * {{ value }} when bar_number >= {{ seed_start }} then {{ seed_weight }} * {{ value }} * pow({{ decay }}, bar_number - {{ seed_end }}) else 0.0::double end
{%- endset -%}
{%- set given = [series_planned(plan, name ~ '_1', seeded, 0), name, decay, decay_number] -%}
{%- set faded = series_operation_on(plan, 'faded_sum', given) -%}
{{ return(series_planned(plan, name, '(' ~ faded ~ ')', seed_end)) }}
{%- endmacro %}
