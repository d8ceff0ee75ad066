{% macro series_states(plan, name, page, scope) -%}
{#-
    States that depend on their own last value. A page's `seed` has what each was before the first bar
    that all its formulas know, its `step` what each bar makes of `before_…`, top to bottom; what is
    seeded is kept. The states of all pages of a plan take each step together, in one recursion.
-#}
{%- set name = modules.re.sub('[^a-z0-9_]+', '_', name) -%}
{%- set inner = {} -%}
{%- do inner.update(scope) -%}
{%- for state in page.seed -%}
    {%- do inner.update({'before_' ~ state: 'before_' ~ name ~ '_' ~ state}) -%}
{%- endfor -%}
{%- set seeds = {} -%}
{%- for state, formula in page.seed.items() -%}
    {%- do seeds.update({state: series_expression(plan, formula, scope)}) -%}
{%- endfor -%}
{%- set steps = {} -%}
{%- for step, formula in page.step.items() -%}
    {%- do steps.update({name ~ '_' ~ step: series_expression(plan, formula, inner)}) -%}
    {%- do inner.update({step: name ~ '_' ~ step}) -%}
{%- endfor -%}

{%- set at = namespace(reads=[], siblings=[], starts=[], memory=0) -%}
{%- for state in page.seed -%}{%- do at.siblings.append(name ~ '_' ~ state) -%}{%- endfor -%}
{%- for sql in steps.values() | list + seeds.values() | list -%}
    {%- for word in modules.re.findall('[a-z_][a-z0-9_]*', sql) | unique if word in plan.columns and word not in at.reads -%}
        {%- do at.reads.append(word) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for column in at.reads -%}
    {%- do at.starts.append(plan.columns[column].start) -%}
    {%- set at.memory = [at.memory, plan.columns[column].memory] | max -%}
{%- endfor -%}
{%- set start = series_latest(at.starts + [1]) -%}
{%- do plan.machines.update({name: steps}) -%}
{%- for state, seed in seeds.items() -%}
    {%- set own = name ~ '_' ~ state -%}
    {%- do plan.columns.update({own: {
        'sql': own, 'reads': at.reads + at.siblings, 'step': series_recursion_step(), 'start': start,
        'memory': at.memory + 1, 'in_session': false, 'machine': name, 'seed': seed,
    }}) -%}
    {%- do plan.states.append(own) -%}
    {%- do plan.carried.update({own: own}) -%}
    {%- do scope.update({state: own}) -%}
{%- endfor -%}
{%- endmacro %}
