{% macro series_expression(plan, formula, scope) -%}
{#- Innermost parentheses first: a call of ours becomes a column, any other a mark, put back below. -#}
{%- set state = namespace(text=formula | string | replace('\n', ' '), marks=[]) -%}
{%- set operations = series_operations() -%}
{%- for _ in range(500) if '(' in state.text -%}
    {%- set call = modules.re.search('([a-z_][a-z0-9_]*)?\\(([^()]*)\\)', state.text) -%}
    {%- if not call -%}
        {{ exceptions.raise_compiler_error("series: unbalanced parentheses in '" ~ formula ~ "'") }}
    {%- endif -%}
    {%- set word = call.group(1) -%}
    {%- if word in operations or 'indicator_' ~ word in context -%}
        {%- set arguments = [] -%}
        {%- for argument in call.group(2).split(',') if argument.strip() -%}
            {%- do arguments.append(series_restored(argument.strip(), state.marks)) -%}
        {%- endfor -%}
        {%- set becomes = series_operation(plan, word, arguments, scope) if word in operations
            else series_indicator(plan, word, arguments, scope).values() | first -%}
    {%- else -%}
        {%- set becomes = '«' ~ state.marks | length ~ '»' -%}
        {%- do state.marks.append(call.group(0)) -%}
    {%- endif -%}
    {%- set state.text = state.text[:call.start()] ~ becomes ~ state.text[call.end():] -%}
{%- endfor -%}

{#- What the page calls a column becomes that column, and a parameter its number. -#}
{%- set sql = [] -%}
{%- for word in modules.re.findall("'[^']*'|[a-z_][a-z0-9_]*|[^a-z_']+", series_restored(state.text, state.marks)) -%}
    {%- do sql.append(scope.get(word, word) | string) -%}
{%- endfor -%}
{{ return(sql | join | trim) }}
{%- endmacro %}
