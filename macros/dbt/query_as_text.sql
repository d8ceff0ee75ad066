{#-
    DuckDB stores a macro as a tree, and clients before 2.0 read from the trees of 2.0 neither the
    offset of a `lag` nor the bounds of a window's frame: they fail, or answer with other numbers.
    They do read text. `texts` are the parameters that are strings, and `numbers` those that are
    numbers of bars, with their names in the error; of each list in `rising`, a parameter is less than
    the next one; all others are written as they print. The pieces
    are one `concat`: as hundreds of nested `||`, those clients plan for minutes, and every
    checkpoint of the file takes seconds.
-#}
{% macro query_as_text(query, texts=[], numbers={}, rising=[]) -%}
{%- set parts = [] -%}
{#- Before the query is parsed, since `lag(x, 21.5)` is an error in other words. -#}
{%- for number, name in numbers.items() -%}
    {%- do parts.append(
        'case when ' ~ number ~ ' between 1 and 2047 and ' ~ number ~ " % 1 = 0 then '' else error('"
        ~ name ~ " is a whole number of bars from 1 to 2047, not ' || coalesce("
        ~ number ~ "::varchar, 'NULL')) end"
    ) -%}
{%- endfor -%}
{%- for ordered in rising -%}
    {%- for more in ordered[1:] -%}
        {%- set less = ordered[loop.index0] -%}
        {%- set said = less.removeprefix('p_') ~ ' is less than ' ~ more.removeprefix('p_') -%}
        {%- do parts.append(
            'case when ' ~ less ~ ' < ' ~ more ~ " then '' else error('" ~ said ~ ", not ' || "
            ~ less ~ " || ' and ' || " ~ more ~ ') end'
        ) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for part in modules.re.split('\\b(p_[a-z][a-z0-9_]*)\\b', query) -%}
    {%- if loop.index0 % 2 == 0 -%}
        {%- do parts.append("'" ~ part | replace("'", "''") ~ "'") -%}
    {%- elif part in texts -%}
        {%- do parts.append("coalesce('''' || replace(" ~ part ~ ", '''', '''''') || '''', 'null')") -%}
    {%- elif part in numbers -%}
        {%- do parts.append(part ~ '::bigint::varchar') -%}
    {%- else -%}
        {%- do parts.append('coalesce(' ~ part ~ "::varchar, 'null')") -%}
    {%- endif -%}
{%- endfor -%}
select *
from query(
    concat(
        {{ parts | join(',\n        ') }}
    )
)
{%- endmacro %}
