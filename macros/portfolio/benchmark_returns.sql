{% macro benchmark_returns(compared, key) -%}
neighbours as (
    select
        sessions.calendar,
        sessions.session_date,
        earlier.session_date as previous_session_date
    from sessions
    inner join sessions as earlier
        on
            sessions.calendar = earlier.calendar
            and sessions.session_number - 1 = earlier.session_number
),

-- a benchmark's return is of the same session: from the close of the one before to its own
benchmark_returns as (
    select
        {{ compared }}.{{ key }},
        neighbours.session_date,
        current.total_return_close / previous.total_return_close - 1 as benchmark_return
    from {{ compared }}
    inner join neighbours using (calendar)
    inner join closes as current
        on
            {{ compared }}.benchmark = current.symbol
            and neighbours.session_date = current.session_date
    inner join closes as previous
        on
            {{ compared }}.benchmark = previous.symbol
            and neighbours.previous_session_date = previous.session_date
)
{%- endmacro %}
