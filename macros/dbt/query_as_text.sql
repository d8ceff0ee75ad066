{#-
    DuckDB stores a macro as a tree, and clients before 2.0 read from the trees of 2.0 neither the
    offset of a `lag` nor the bounds of a window's frame: they fail, or answer with other numbers.
    They do read text. `texts` are the parameters that are strings; all others are written as they
    print. The pieces are one `concat`: as hundreds of nested `||`, those clients plan for minutes,
    and every checkpoint of the file takes seconds.
-#}
{% macro query_as_text(query, texts=[]) -%}
{%- set parts = [] -%}
{%- for part in modules.re.split('\\b(p_[a-z][a-z0-9_]*)\\b', query) -%}
    {%- if loop.index0 % 2 == 0 -%}
        {%- do parts.append("'" ~ part | replace("'", "''") ~ "'") -%}
    {%- elif part in texts -%}
        {%- do parts.append("coalesce('''' || replace(" ~ part ~ ", '''', '''''') || '''', 'null')") -%}
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
