-- `portfolio_var` returns rows of another portfolio, confidence, horizon, method or lookback than
-- it was called with, or lacks some.
{%- set estimates = ref('risk__var_estimates') %}
{%- set portfolio %}(select min(portfolio) from {{ estimates }}){% endset %}
{%- set lookback_sessions %}(select max(lookback_sessions) from {{ estimates }}){% endset %}

with

stored as (
    select * from {{ estimates }}
    where portfolio = {{ portfolio }} and confidence = 0.95 and horizon_sessions = 1
),

called as (
    select * from {{ function('portfolio_var') }}({{ portfolio }}, 0.95, 1)
),

called_for_one as (
    select *
    from {{ function('portfolio_var') }}(
        {{ portfolio }},
        0.95,
        1,
        p_method := 'historical',
        p_lookback_sessions := {{ lookback_sessions }}
    )
),

stored_of_one as (
    select * from stored
    where method = 'historical' and lookback_sessions = {{ lookback_sessions }}
)

(select * from stored except all select * from called)
union all
(select * from called except all select * from stored)
union all
(select * from stored_of_one except all select * from called_for_one)
union all
(select * from called_for_one except all select * from stored_of_one)
