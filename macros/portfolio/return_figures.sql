{% macro return_figures(frame, periods) -%}
{#- Fewer sessions than this are too few to speak of a year. -#}
{%- set min_sessions = 20 -%}
{%- set enough = 'count(session_return) over ' ~ frame ~ ' >= ' ~ min_sessions -%}
{%- set compared = 'count(session_return - benchmark_return) over ' ~ frame -%}
{%- set known = 'count(session_return) over ' ~ frame ~ ' = count(*) over ' ~ frame -%}
{%- set excess = 'session_return - risk_free_return' -%}
{%- set benchmark_excess = 'benchmark_return - risk_free_return' -%}
{%- set active = 'session_return - benchmark_return' -%}
{%- set gap = 'session_return - min_return' -%}
min(session_date) over {{ frame }} as first_session,
max(session_date) over {{ frame }} as last_session,
count(*) over {{ frame }} as session_count,
count(*) over {{ frame }} - count(session_return) over {{ frame }} as unknown_count,
case when {{ known }} then product(1 + session_return) over {{ frame }} - 1 end
    as cumulative_return,
case
    when {{ known }} and {{ enough }} and product(1 + session_return) over {{ frame }} >= 0
        then
            pow(
                product(1 + session_return) over {{ frame }},
                {{ periods }}::double / count(*) over {{ frame }}
            ) - 1
end as cagr_return,
case when {{ enough }} then stddev_samp(session_return) over {{ frame }} * sqrt({{ periods }}) end
    as volatility_return,
case
    when {{ enough }}
        then
            avg({{ excess }}) over {{ frame }}
            / nullif(stddev_samp({{ excess }}) over {{ frame }}, 0) * sqrt({{ periods }})
end as sharpe_ratio,
case
    when {{ enough }}
        then
            avg({{ gap }}) over {{ frame }}
            / nullif(sqrt(avg(pow(({{ gap }}) * ({{ gap }} < 0)::double, 2)) over {{ frame }}), 0)
            * sqrt({{ periods }})
end as sortino_ratio,
sum(({{ gap }}) * ({{ gap }} > 0)::double) over {{ frame }}
/ nullif(-sum(({{ gap }}) * ({{ gap }} < 0)::double) over {{ frame }}, 0) as omega_ratio,
-- DuckDB's is the sample's; without its correction it is the third moment's
skewness(session_return) over {{ frame }} * (count(session_return) over {{ frame }} - 2)
/ nullif(
    sqrt(
        count(session_return) over {{ frame }} * (count(session_return) over {{ frame }} - 1)::double
    ),
    0
) as skewness,
kurtosis_pop(session_return) over {{ frame }} as excess_kurtosis,
max(session_return) over {{ frame }} as best_session_return,
min(session_return) over {{ frame }} as worst_session_return,
avg((session_return > 0)::double) over {{ frame }} as hit_ratio,
{{ compared }} as benchmark_count,
case when {{ compared }} >= {{ min_sessions }}
    then regr_slope({{ excess }}, {{ benchmark_excess }}) over {{ frame }} end as beta,
case
    when {{ compared }} >= {{ min_sessions }}
        then
            pow(
                1 + regr_avgy({{ excess }}, {{ benchmark_excess }}) over {{ frame }}
                - regr_slope({{ excess }}, {{ benchmark_excess }}) over {{ frame }}
                * regr_avgx({{ excess }}, {{ benchmark_excess }}) over {{ frame }},
                {{ periods }}
            ) - 1
end as alpha_return,
case
    when {{ compared }} >= {{ min_sessions }}
        then stddev_samp({{ active }}) over {{ frame }} * sqrt({{ periods }})
end as tracking_error_return,
case
    when {{ compared }} >= {{ min_sessions }}
        then
            avg({{ active }}) over {{ frame }}
            / nullif(stddev_samp({{ active }}) over {{ frame }}, 0) * sqrt({{ periods }})
end as information_ratio,
{{ capture('benchmark_return > 0', frame) }} as up_capture_ratio,
{{ capture('benchmark_return < 0', frame) }} as down_capture_ratio
{%- endmacro %}
