{%- set portfolios = ref('portfolios').include(database=false) -%}
{%- set var_settings = ref('var_settings').include(database=false) -%}
{#- Each is looked for among the estimates that have those before it. -#}
{%- set choices = [
    ('confidence', 'p_confidence::double', "'confidence ' || p_confidence"),
    (
        'horizon_sessions',
        'p_horizon_sessions::double',
        "'horizon of ' || p_horizon_sessions || ' sessions at confidence ' || p_confidence",
    ),
    (
        'lookback_sessions',
        'p_lookback_sessions::double',
        "'lookback of ' || p_lookback_sessions || ' sessions for a horizon of '
                    || p_horizon_sessions || ' at confidence ' || p_confidence",
    ),
] -%}
{%- set problems %}
        select
            case
                {%- set chosen = ['true'] %}
                {%- for column, wanted, said in choices %}
                {%- set known = chosen | join(' and ') %}
                {%- do chosen.append(column ~ ' = ' ~ wanted) %}
                when not bool_or({{ chosen | join(' and ') }})
                    then 'there is no ' || {{ said }} || coalesce(
                        {%- if column == 'confidence' %}
                        case
                            when bool_or(confidence = p_confidence::double / 100)
                                then '; did you mean ' || p_confidence::double / 100 || '?'
                        end,
                        {%- endif %}
                        '; the {{ column.split('_')[0] }}s are '
                        || array_to_string(
                            list_sort(list(distinct {{ column }}) filter (where {{ known }})), ', '
                        )
                    )
                {%- endfor %}
            end as problem
        from {{ var_settings }}
        where p_method is null or method = p_method
{%- endset -%}
select *
from {{ ref('risk__var_estimates').include(database=false) }}
where
    portfolio = p_portfolio
    and {{ name_exists('portfolio', 'p_portfolio', portfolios, 'portfolio') | indent }}
    and {{ name_exists('VaR method', 'p_method', var_settings, 'method') | indent }}
    and {{ no_problem(problems) | indent }}
    and confidence = p_confidence::double
    and horizon_sessions = p_horizon_sessions::double
    and (p_method is null or method = p_method)
    and (p_lookback_sessions is null or lookback_sessions = p_lookback_sessions::double)
order by session_date, method, lookback_sessions
