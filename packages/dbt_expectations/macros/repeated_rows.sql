{% macro repeated_rows(
    model, columns, ignore_row_if='all_values_are_missing', row_condition=none
) -%}
{%- set joints = {'all_values_are_missing': ' or ', 'any_value_is_missing': ' and '} -%}
{%- if not columns -%}
    {{ exceptions.raise_compiler_error('A test of uniqueness needs at least one column.') }}
{%- endif -%}
{%- if ignore_row_if not in joints -%}
    {{ exceptions.raise_compiler_error(
        'ignore_row_if is ' ~ ignore_row_if ~ '; it can be ' ~ joints | join(', ') ~ '.'
    ) }}
{%- endif -%}
{%- set present = [] -%}
{%- for column in columns -%}
    {%- do present.append(column ~ ' is not null') -%}
{%- endfor -%}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
where
    ({{ present | join(joints[ignore_row_if]) }})
    {%- if row_condition %}
    and ({{ row_condition }})
    {%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- endmacro %}
