{% macro series_planned(plan, name, sql, start=none, memory=none, in_session=false) -%}
{%- set at = namespace(step=0, memory=0, in_session=in_session, reads=[], starts=[]) -%}
{%- for column in modules.re.findall("[a-z_][a-z0-9_]*", sql) | unique if column in plan.columns -%}
    {%- do at.reads.append(column) -%}
    {%- do at.starts.append(plan.columns[column].start) -%}
    {%- set at.step = [at.step, plan.columns[column].step] | max -%}
    {%- set at.memory = [at.memory, plan.columns[column].memory] | max -%}
    {%- set at.in_session = at.in_session or plan.columns[column].in_session -%}
{%- endfor -%}
{%- set start = series_latest(at.starts) if start is none else start -%}
{%- set text = sql ~ ' from ' ~ start -%}
{%- if text in plan.texts -%}
    {{ return(plan.texts[text]) }}
{%- endif -%}
{#- What is counted from a session's start may, some bars ago, go back to the start of an earlier one. -#}
{%- for column, bars in modules.re.findall('lag\\(([a-z_][a-z0-9_]*), ([0-9]+)', sql) -%}
    {%- if plan.columns[column].step >= series_recursion_step() -%}
        {{ exceptions.raise_compiler_error("series: '" ~ column ~ "' is a state or made of one: of those only before_… can be looked back at") }}
    {%- endif -%}
    {%- set session = 1440 if plan.columns[column].in_session else 0 -%}
    {%- set at.memory = [at.memory, plan.columns[column].memory + session + bars | int] | max -%}
{%- endfor -%}
{%- set own = modules.re.sub('[^a-z0-9_]+', '_', name) -%}
{%- set own = own ~ '__' ~ plan.columns | length if own in plan.columns else own -%}
{%- do plan.texts.update({text: own}) -%}
{%- do plan.columns.update({own: {
    'sql': sql,
    'reads': at.reads,
    'step': at.step + 1,
    'start': start,
    'memory': at.memory if memory is none else memory,
    'in_session': at.in_session,
}}) -%}
{{ return(own) }}
{%- endmacro %}
