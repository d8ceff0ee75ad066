-- A VaR that is asked for has rows of another portfolio, confidence, horizon, method or look-back
-- than was asked for, or lacks some.
{%- set estimates = ref('risk__var_estimates') %}
{%- set portfolio %}(select min(portfolio) from {{ estimates }}){% endset %}
{%- set lookback_days %}(select max(lookback_days) from {{ estimates }}){% endset %}

with

stored as (
    select * from {{ estimates }}
    where portfolio = {{ portfolio }} and confidence = 0.95 and horizon_days = 1
),

asked as (
    select * from {{ function('portfolio_var') }}({{ portfolio }}, 0.95, 1)
),

asked_of_one as (
    select *
    from {{ function('portfolio_var') }}(
        {{ portfolio }}, 0.95, 1, p_method := 'historical', p_lookback_days := {{ lookback_days }}
    )
),

stored_of_one as (
    select * from stored
    where method = 'historical' and lookback_days = {{ lookback_days }}
)

(select * from stored except all select * from asked)
union all
(select * from asked except all select * from stored)
union all
(select * from stored_of_one except all select * from asked_of_one)
union all
(select * from asked_of_one except all select * from stored_of_one)
