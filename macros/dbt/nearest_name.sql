{% macro name_distance(wanted, name) -%}
{#- Damerau's distance; of names that are equally far, APPL is AAPL and not PPL or APP. -#}
damerau_levenshtein(lower({{ wanted }}), lower({{ name }}))
+ 0.5 * (left(lower({{ wanted }}), 1) != left(lower({{ name }}), 1))::integer
+ 0.25 * (jaccard(lower({{ wanted }}), lower({{ name }})) != 1)::integer
{%- endmacro %}

{% macro is_near_name(wanted, name) -%}
(
    damerau_levenshtein(lower({{ wanted }}), lower({{ name }}))
    <= greatest(length({{ wanted }}), length({{ name }})) // 3
    or (
        least(length({{ wanted }}), length({{ name }})) > 1
        and (
            contains(lower({{ name }}), lower({{ wanted }}))
            or contains(lower({{ wanted }}), lower({{ name }}))
        )
    )
)
{%- endmacro %}

{% macro nearest_name(wanted, name) -%}
arg_min({{ name }}, {{ name_distance(wanted, name) }})
    filter (where {{ is_near_name(wanted, name) }})
{%- endmacro %}

{% macro no_problem(problems) -%}
{#- Planned with every call: the simpler the query of its problems, the cheaper. -#}
(
    select bool_and(error(problem)::boolean) is null
    from (
        {{- problems }}
    )
)
{%- endmacro %}

{% macro name_exists(noun, wanted, relation, column) -%}
{%- set problems %}
        select
            'there is no {{ noun }} ''' || {{ wanted }} || ''''
            || coalesce(
                '; did you mean ''' || {{ nearest_name(wanted, column) | indent(16) }} || '''?',
                '; the {{ noun }}s are '
                || string_agg(distinct {{ column }}, ', ' order by {{ column }})
            ) as problem
        from {{ relation }}
        where not exists (select 1 from {{ relation }} where {{ column }} = {{ wanted }})
{%- endset -%}
{{ no_problem(problems) }}
{%- endmacro %}

{% macro series_exists() -%}
{#- In a live session of a past day, a symbol that is traded later has no latest bar. -#}
{%- set latest_bars = ref('serving__latest_bars').include(database=false) -%}
{%- set symbols = ref('bars__symbols').include(database=false) -%}
{%- set problems %}
        select
            coalesce(
                'there is no timeframe ''' || p_timeframe || ''' of ' || p_symbol || '; it has '
                || string_agg(timeframe, ', ' order by timeframe) filter (where symbol = p_symbol),
                'there is no symbol ''' || p_symbol || ''''
                || coalesce(
                    '; did you mean ''' || {{ nearest_name('p_symbol', 'symbol') | indent(20) }}
                    || '''?',
                    ''
                )
            ) as problem
        from {{ latest_bars }}
        where
            not exists (
                select 1 from {{ latest_bars }}
                where symbol = p_symbol and timeframe = p_timeframe
            )
            and (
                exists (select 1 from {{ latest_bars }} where symbol = p_symbol)
                or not exists (select 1 from {{ symbols }} where symbol = p_symbol)
            )
        having count(*) > 0
{%- endset -%}
{{ no_problem(problems) }}
{%- endmacro %}

{% macro dates_in_order(first, last) -%}
case
    when {{ first }}::date > {{ last }}::date then error(
        'the last day, ' || {{ last }} || ', is before the first, ' || {{ first }}
    )::boolean
    else true
end
{%- endmacro %}

{% macro session_exists(last_session_date='null') -%}
{%- set last = 'coalesce(' ~ last_session_date ~ ', p_session_date)::date' -%}
{%- set problems %}
        select
            'there are no one-minute bars of ' || p_session_date
            || coalesce(' to ' || {{ last_session_date }}, '')
            || '; try ' || concat_ws(
                ' or ',
                max(session_date) filter (where session_date < p_session_date::date),
                min(session_date) filter (where session_date > {{ last }})
            ) as problem
        from {{ ref('scanners__sessions').include(database=false) }}
        where has_minutes
        having not bool_or(session_date between p_session_date::date and {{ last }})
{%- endset -%}
{{ no_problem(problems) }}
{%- endmacro %}
