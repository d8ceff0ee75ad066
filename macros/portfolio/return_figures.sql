{% macro return_figures(frame, periods) -%}
{#- Fewer sessions than this are too few to speak of a year. -#}
{%- set min_sessions = 20 -%}
{%- set year_days = 365.25 -%}
{%- set enough = 'count(session_return) over ' ~ frame ~ ' >= ' ~ min_sessions -%}
{%- set compared = 'count(session_return - benchmark_return) over ' ~ frame -%}
{%- set known = 'count(session_return) over ' ~ frame ~ ' = count(*) over ' ~ frame -%}
{%- set excess = 'session_return - risk_free_return' -%}
{%- set benchmark_excess = 'benchmark_return - risk_free_return' -%}
{%- set active = 'session_return - benchmark_return' -%}
{%- set gap = 'session_return - min_return' -%}
{%- set days = '(max(session_date) over ' ~ frame ~ ' - min(previous_session_date) over ' ~ frame
    ~ ')' -%}
{%- set growth = 'product(1 + session_return) over ' ~ frame -%}
{%- set cagr = 'pow(' ~ growth ~ ', ' ~ year_days ~ ' / ' ~ days ~ '::double) - 1' -%}
{%- set shortfall = 'pow((' ~ gap ~ ') * ((' ~ gap ~ ') < 0)::double, 2)' -%}
{%- set lost = 'sum((' ~ gap ~ ') * ((' ~ gap ~ ') < 0)::double) over ' ~ frame -%}
{#- of pairs, as regr_slope is; DuckDB has nothing over nothing for not a number -#}
{%- set spread = 'sqrt(regr_sxx(' ~ excess ~ ', ' ~ benchmark_excess ~ ') over ' ~ frame
    ~ ' / ' ~ compared ~ ')' -%}
{%- set slope = 'regr_slope(' ~ excess ~ ', ' ~ benchmark_excess ~ ') over ' ~ frame -%}
{%- set alpha = 'pow(1 + regr_avgy(' ~ excess ~ ', ' ~ benchmark_excess ~ ') over ' ~ frame
    ~ ' - ' ~ slope ~ ' * regr_avgx(' ~ excess ~ ', ' ~ benchmark_excess ~ ') over ' ~ frame
    ~ ', ' ~ periods ~ ') - 1' -%}
min(session_date) over {{ frame }} as first_session,
max(session_date) over {{ frame }} as last_session,
count(*) over {{ frame }} as session_count,
count(*) over {{ frame }} - count(session_return) over {{ frame }} as unknown_count,
count(*) filter (where stale_price_count > 0) over {{ frame }} as bridged_count,
case when {{ known }} then {{ growth }} - 1 end as cumulative_return,
case when {{ known }} and {{ enough }} and {{ growth }} >= 0 then {{ finite(cagr) }} end
    as cagr_return,
case when {{ enough }} then stddev_samp(session_return) over {{ frame }} * sqrt({{ periods }}) end
    as volatility_return,
case
    when {{ enough }}
        then
            avg({{ excess }}) over {{ frame }}
            / {{ beyond_rounding('stddev_samp(' ~ excess ~ ') over ' ~ frame) }}
            * sqrt({{ periods }})
end as sharpe_ratio,
case
    when {{ enough }}
        then
            avg({{ gap }}) over {{ frame }}
            / {{ beyond_rounding('sqrt(avg(' ~ shortfall ~ ') over ' ~ frame ~ ')') }}
            * sqrt({{ periods }})
end as sortino_ratio,
sum(({{ gap }}) * ({{ gap }} > 0)::double) over {{ frame }}
/ -{{ beyond_rounding(lost) }} as omega_ratio,
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
{{ compared }} / count(*) over {{ frame }} as benchmark_coverage_ratio,
case
    when {{ compared }} >= {{ min_sessions }} and {{ beyond_rounding(spread) }} is not null
        then {{ slope }}
end as beta,
case
    when {{ compared }} >= {{ min_sessions }} and {{ beyond_rounding(spread) }} is not null
        then {{ finite(alpha) }}
end as alpha_return,
case
    when {{ compared }} >= {{ min_sessions }}
        then stddev_samp({{ active }}) over {{ frame }} * sqrt({{ periods }})
end as tracking_error_return,
case
    when {{ compared }} >= {{ min_sessions }}
        then
            avg({{ active }}) over {{ frame }}
            / {{ beyond_rounding('stddev_samp(' ~ active ~ ') over ' ~ frame) }}
            * sqrt({{ periods }})
end as information_ratio,
{{ capture('benchmark_return > 0', frame) }} as up_capture_ratio,
{{ capture('benchmark_return < 0', frame) }} as down_capture_ratio
{%- endmacro %}
