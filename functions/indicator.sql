{#- A query's text can be built from parameters but not from rows: one macro calls the others. -#}
{%- set counts = {} -%}
{%- if execute -%}
    {%- for name in indicator_definitions() -%}
        {%- set periods = definition_of(name).periods.keys() | list -%}
        {%- if periods | length > 1 -%}{%- do counts.update({name: periods}) -%}{%- endif -%}
    {%- endfor -%}
{%- endif -%}
select *
from query(
    'from indicators.'
    || case
        when regexp_full_match(p_name, '[a-z][a-z0-9_]*') then p_name
        else error('an indicator is named in small letters, such as rsi, not ' || p_name)
    end
    || '(''' || replace(p_symbol, '''', '''''') || ''', '''
    || replace(p_timeframe, '''', '''''') || ''''
    || case
        {%- for name, periods in counts.items() %}
        when
            p_name = '{{ name }}'
            and len(string_split(p_periods::varchar, ',')) != {{ periods | length }}
            then error(
                '{{ name }} has {{ periods | length }} periods, {{ periods | join(", ") }}, not '
                || p_periods::varchar
            )
        {%- endfor %}
        else ''
    end
    || coalesce(', ' || trim(p_periods::varchar, '[]'), '') || ')'
)
