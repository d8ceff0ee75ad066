{% macro series_indicator(plan, name, arguments, scope={}) -%}
{#- Plans an indicator's definition with its periods, and returns output -> column. -#}
{%- if name not in plan.definitions -%}
    {{ series_error(plan, "there is no indicator '" ~ name ~ "'", name, plan.definitions) }}
{%- endif -%}
{%- set definition = definition_of(name) -%}
{%- set parameters = definition.periods.keys() | list + definition.settings.keys() | list -%}
{%- if arguments | length > parameters | length -%}
    {{ series_error(
        plan, name ~ ' takes ' ~ ('(' ~ parameters | join(', ') ~ ')' if parameters else 'no arguments') ~ ', not ('
        ~ arguments | join(', ') ~ ')'
    ) }}
{%- endif -%}
{%- set own = {} -%}
{%- do own.update(definition.periods) -%}
{%- do own.update(definition.settings) -%}
{%- for argument in arguments -%}
    {%- do own.update({parameters[loop.index0]: series_number(plan, argument | string, scope)}) -%}
{%- endfor -%}
{%- for period in definition.periods if own[period] is float or own[period] is number and own[period] < 1 -%}
    {{ series_error(
        plan, name ~ ': ' ~ period ~ ' must be a whole number of bars, 1 or more, not ' ~ own[period]
    ) }}
{%- endfor -%}

{%- set caller = {'place': plan.place, 'name': plan.name} -%}
{%- for step, formula in definition.define.items() -%}
    {%- do plan.update({'place': series_place(name, step, formula), 'name': step}) -%}
    {%- do own.update({step: series_column(plan, formula, own, step)}) -%}
{%- endfor -%}
{%- if definition.step -%}{%- do series_states(plan, name, arguments, definition, own) -%}{%- endif -%}
{%- set outputs = {} -%}
{%- for output, formula in definition.outputs.items() -%}
    {%- do plan.update({'place': series_place(name, output, formula), 'name': output}) -%}
    {%- do outputs.update({output: series_column(plan, formula, own, output)}) -%}
{%- endfor -%}
{%- do plan.update(caller) -%}
{{ return(outputs) }}
{%- endmacro %}

{% macro series_column(plan, formula, scope, name=none) -%}
{#- A formula that is nothing but a column is that column; what an operation takes is named after its formula. -#}
{%- set sql = series_expression(plan, formula, scope) -%}
{{ return(sql if sql in plan.columns else series_planned(plan, name or plan.name ~ '_value', sql)) }}
{%- endmacro %}

{% macro series_expression(plan, formula, scope) -%}
{#-
    The SQL of one row that is left of a formula when its operations are columns. `scope`: what the
    definition's names stand for. Calls are taken innermost first: one of ours becomes @column; of
    any other the parentheses and commas are set aside as ⟦ ⸴ ⟧ until none of ours is left.
-#}
{%- set at = namespace(text=formula | string | replace('\n', ' ')) -%}
{%- for _ in at.text if '(' in at.text or ')' in at.text -%}
    {%- set call = modules.re.search('([a-z_][a-z0-9_]*)?\\(([^()]*)\\)', at.text) -%}
    {%- if not call -%}{{ series_error(plan, 'its parentheses do not match') }}{%- endif -%}
    {%- set word = call.group(1) -%}
    {%- if word in plan.operations or word in plan.definitions -%}
        {%- set arguments = [] -%}
        {%- for argument in call.group(2).split(',') if argument.strip() -%}
            {%- do arguments.append(series_with_parentheses(argument.strip())) -%}
        {%- endfor -%}
        {%- set becomes = '@' ~ (
            series_operation(plan, word, arguments, scope) if word in plan.operations
            else series_indicator(plan, word, arguments, scope).values() | first
        ) -%}
    {%- else -%}
        {%- set becomes = call.group(0) | replace('(', '⟦') | replace(',', '⸴') | replace(')', '⟧') -%}
    {%- endif -%}
    {%- set at.text = at.text[:call.start()] ~ becomes ~ at.text[call.end():] -%}
{%- endfor -%}

{%- set sql = [] -%}
{%- for word in modules.re.findall("'[^']*'|[0-9.]+(?:e[-+]?[0-9]+)?|@?[A-Za-z_]\\w*|.", series_with_parentheses(at.text)) -%}
    {%- if word[0] == '@' -%}
        {%- do sql.append(word[1:]) -%}
    {%- elif word in scope -%}
        {%- do sql.append(scope[word] | string) -%}
    {%- elif not modules.re.match('[A-Za-z_]', word) or word in series_bar_columns() or word in series_sql_words() -%}
        {%- do sql.append(word) -%}
    {%- else -%}
        {{ series_error(
            plan, "there is no '" ~ word ~ "'", word,
            scope.keys() | list + series_bar_columns() + plan.operations.keys() | list
            + plan.definitions.keys() | list + series_sql_words()
        ) }}
    {%- endif -%}
{%- endfor -%}
{{ return(sql | join | trim) }}
{%- endmacro %}

{% macro series_with_parentheses(text) -%}
{#- What `series_expression` has set aside is put back. -#}
{{ return(text | replace('⟦', '(') | replace('⸴', ',') | replace('⟧', ')')) }}
{%- endmacro %}

{% macro series_operation(plan, word, arguments, scope) -%}
{#- Plans one call of an operation: columns first, then numbers of bars. -#}
{%- set macro, columns, least, most = plan.operations[word] -%}
{%- if not columns + least <= arguments | length <= columns + most -%}
    {%- set numbers = [least, most] | unique | join(' or ') -%}
    {{ series_error(
        plan, word ~ ' takes ' ~ columns ~ (' column' if columns == 1 else ' columns') ~ ' and '
        ~ numbers ~ (' number' if numbers == '1' else ' numbers') ~ ' of bars, not ('
        ~ arguments | join(', ') | replace('@', '') ~ ')'
    ) }}
{%- endif -%}
{%- set given = [] -%}
{%- for argument in arguments -%}
    {%- do given.append(
        series_column(plan, argument, scope) if loop.index <= columns else series_number(plan, argument, scope)
    ) -%}
{%- endfor -%}
{{ return(macro(plan, *given)) }}
{%- endmacro %}

{% macro series_number(plan, text, scope) -%}
{#- Left to right, as `slow + signal - 2` or `period / 2`; SQL where a parameter takes part. -#}
{%- set at = namespace(value=none, operator='') -%}
{%- for word in modules.re.findall('sqrt\\([a-z_]+\\)|[@a-z_][a-z0-9_]*|[0-9.]+|[-+*/]', text) -%}
    {%- if word in ['+', '-', '*', '/'] -%}
        {%- set at.operator = word -%}
    {%- else -%}
        {%- if word.startswith('sqrt(') -%}
            {%- set of = scope[word[5:-1]] -%}
            {%- set number = (of ** 0.5) | int if of is number else 'floor(sqrt(' ~ of ~ '))::bigint' -%}
        {%- elif modules.re.match('[0-9]', word) -%}
            {%- set number = word | float if '.' in word else word | int -%}
        {%- elif word in scope and (scope[word] is number or scope[word] not in plan.columns) -%}
            {%- set number = scope[word] -%}
        {%- else -%}
            {{ series_error(plan, "'" ~ word | replace('@', '') ~ "' is not a number of bars") }}
        {%- endif -%}
        {%- if at.value is none -%}
            {%- set at.value = number -%}
        {%- elif at.value is string or number is string -%}
            {%- set at.value = '(' ~ at.value ~ ' ' ~ ('//' if at.operator == '/' else at.operator) ~ ' ' ~ number ~ ')' -%}
        {%- elif at.operator == '+' -%}{%- set at.value = at.value + number -%}
        {%- elif at.operator == '-' -%}{%- set at.value = at.value - number -%}
        {%- elif at.operator == '*' -%}{%- set at.value = at.value * number -%}
        {%- else -%}{%- set at.value = at.value // number -%}
        {%- endif -%}
    {%- endif -%}
{%- endfor -%}
{{ return(at.value) }}
{%- endmacro %}

{% macro series_place(indicator, name, formula) -%}
{{ return('macros/indicators/' ~ indicator ~ '.sql: ' ~ name ~ ': ' ~ formula) }}
{%- endmacro %}

{% macro series_error(plan, problem, word=none, words=[]) -%}
{#-
    One line with the indicator and the formula, and what to add if `word` is an indicator that is not listed, or
    which of `words` is nearest to it: has most letters and pairs of letters in common with it.
-#}
{%- if 'indicator_' ~ word in context -%}
    {%- set line = "'" ~ word ~ "': indicator_" ~ word ~ ',' -%}
    {{ exceptions.raise_compiler_error(
        plan.place ~ ': macros/indicators/' ~ word ~ '.sql is not listed: add the line  ' ~ line
        ~ '  to indicator_definitions in macros/indicators/definitions.sql'
    ) }}
{%- endif -%}
{%- set best = namespace(word=none, score=0.45) -%}
{%- for other in words if word -%}
    {%- set common = namespace(count=word | select('in', other) | list | length) -%}
    {%- for i in range(word | length + 1) if (' ' ~ word ~ ' ')[i:i + 2] in ' ' ~ other ~ ' ' -%}
        {%- set common.count = common.count + 1 -%}
    {%- endfor -%}
    {%- set score = common.count / (word | length + other | length + 1) -%}
    {%- if score > best.score -%}
        {%- set best.score = score -%}
        {%- set best.word = other -%}
    {%- endif -%}
{%- endfor -%}
{{ exceptions.raise_compiler_error(
    plan.place ~ ': ' ~ problem ~ ("; did you mean '" ~ best.word ~ "'?" if best.word else '')
) }}
{%- endmacro %}
