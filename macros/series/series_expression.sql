{% macro series_expression(plan, formula) -%}
{#- Innermost parentheses first: a call of ours becomes a column, any other a mark, put back below. -#}
{%- set state = namespace(text=formula | string, marks=[]) -%}
{%- for _ in range(200) if '(' in state.text -%}
    {%- set call = modules.re.search('([a-z_][a-z0-9_]*)?\\(([^()]*)\\)', state.text) -%}
    {%- if not call -%}
        {{ exceptions.raise_compiler_error("series: unbalanced parentheses in '" ~ formula ~ "'") }}
    {%- endif -%}
    {%- if call.group(1) in series_operations() -%}
        {%- set arguments = call.group(2).split(',') | map('trim') | list -%}
        {%- set value = series_column(plan, series_restored(arguments[0], state.marks)) -%}
        {%- set counts = arguments[1:] | map('int') | list -%}
        {%- set becomes = context['series_' ~ call.group(1)](plan, value, *counts) -%}
    {%- else -%}
        {%- set becomes = '«' ~ state.marks | length ~ '»' -%}
        {%- do state.marks.append(call.group(0)) -%}
    {%- endif -%}
    {%- set state.text = state.text[:call.start()] ~ becomes ~ state.text[call.end():] -%}
{%- endfor -%}

{#- What the model calls a column becomes that column, and what is read is noted. -#}
{%- set found = namespace(sql='', reads=[]) -%}
{%- set words = modules.re.findall("'[^']*'|[a-z_][a-z0-9_]*|[0-9][0-9a-z.]*|[^a-z0-9_']", series_restored(state.text, state.marks)) -%}
{%- for word in words -%}
    {%- set name = plan.names.get(word, word) -%}
    {%- if name in plan.columns and name not in found.reads -%}
        {%- do found.reads.append(name) -%}
    {%- endif -%}
    {%- set found.sql = found.sql ~ name -%}
{%- endfor -%}
{{ return({'sql': found.sql, 'reads': found.reads}) }}
{%- endmacro %}
