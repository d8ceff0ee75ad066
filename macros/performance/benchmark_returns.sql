{% macro benchmark_returns(compared, key) -%}
session_pairs as (
    select
        sessions.calendar,
        sessions.session_date,
        earlier.session_date as prior_session_date
    from sessions
    inner join sessions as earlier
        on
            sessions.calendar = earlier.calendar
            and sessions.session_number - 1 = earlier.session_number
),

-- the benchmark's return over the same session: from the prior session's close to its own
benchmark_returns as (
    select
        {{ compared }}.{{ key }},
        session_pairs.session_date,
        current.total_return_close as benchmark_close,
        previous.total_return_close as benchmark_prior_close,
        current.total_return_close / previous.total_return_close - 1 as benchmark_return
    from {{ compared }}
    inner join session_pairs using (calendar)
    left join closes as current
        on
            {{ compared }}.benchmark = current.symbol
            and session_pairs.session_date = current.session_date
    left join closes as previous
        on
            {{ compared }}.benchmark = previous.symbol
            and session_pairs.prior_session_date = previous.session_date
)
{%- endmacro %}


{#- The benchmark's growth to date since its first close: that before the first session, or if it
    has none, the first one after it. From `benchmark_returns`. -#}
{% macro benchmark_growth(window) -%}
benchmark_close
/ arg_min(coalesce(benchmark_prior_close, benchmark_close), session_date) over {{ window }}
{%- endmacro %}
