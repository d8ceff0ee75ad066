{% macro equity_paths(returns, key) -%}
grown as (
    select
        *,
        case
            when count(*) over to_date = count(session_return) over to_date
                then {{ exact_product('1 + session_return', 'over to_date') }}
        end as equity_ratio
    from {{ returns }}
    window to_date as (
        partition by {{ key }} order by session_date
        rows between unbounded preceding and current row
    )
),

peaks as (
    select
        *,
        case
            when equity_ratio is not null then greatest(1, max(equity_ratio) over to_date)
        end as peak_ratio
    from grown
    window to_date as (
        partition by {{ key }} order by session_date
        rows between unbounded preceding and current row
    )
),

paths as (
    select
        *,
        {{ drawdown('equity_ratio', 'peak_ratio') }} as drawdown
    from peaks
)
{%- endmacro %}

{% macro drawdown(equity, peak) -%}
{#- A gap to the peak that is smaller than this is rounding, not a drawdown. -#}
{%- set rounding = '1e-12' -%}
(
    case
        when {{ equity }} / {{ peak }} > 1 - {{ rounding }} then 0
        else {{ equity }} / {{ peak }} - 1
    end
)::double
{%- endmacro %}

{% macro drawdown_episodes(key) -%}
{#- Rounded, so that sessions without a move tie and the first one is the trough. -#}
{%- set trough = '(round(drawdown, 12), session_date)' -%}
numbered as (
    select
        {{ key }},
        session_date,
        drawdown,
        row_number() over (partition by {{ key }} order by session_date) as session_number,
        -- an episode includes the session that is back at the peak and ends with it
        count(case when drawdown = 0 then 1 end) over (
            partition by {{ key }} order by session_date
            rows between unbounded preceding and current row
        ) - (drawdown = 0)::integer as episode_number
    from paths
    where drawdown is not null
),

episodes as (
    select
        {{ key }},
        min(session_date) as start_date,
        arg_min(session_date, {{ trough }}) as trough_date,
        max(session_date) filter (where drawdown = 0) as recovery_date,
        min(drawdown) as drawdown,
        count(*) as length_sessions,
        arg_min(session_number, {{ trough }}) - min(session_number) + 1
            as trough_sessions
    from numbered
    group by {{ key }}, episode_number
    having min(drawdown) < 0
)
{%- endmacro %}
