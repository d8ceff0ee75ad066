{% macro return_figures(frame, periods) -%}
{%- set enough = 'count(session_return) over ' ~ frame ~ ' >= ' ~ min_year_sessions() -%}
{%- set over = 'over ' ~ frame -%}
{%- set compared = 'count(session_return - benchmark_return) over ' ~ frame -%}
{%- set complete = 'count(session_return) over ' ~ frame ~ ' = count(*) over ' ~ frame -%}
{%- set dated = 'count(prior_session_date) over ' ~ frame ~ ' = count(*) over ' ~ frame -%}
{%- set excess = 'session_return - risk_free_return' -%}
{%- set benchmark_excess = 'benchmark_return - risk_free_return' -%}
{%- set active = 'session_return - benchmark_return' -%}
{%- set gap = 'session_return - min_acceptable_return' -%}
{%- set days = '(max(session_date) over ' ~ frame ~ ' - min(prior_session_date) over ' ~ frame
    ~ ')' -%}
{%- set growth = exact_product('1 + session_return', over) -%}
{#- The mean of the days in a year, leap years included. -#}
{%- set year_days = 365.25 -%}
{%- set cagr = 'pow(' ~ growth ~ ', ' ~ year_days ~ ' / ' ~ days ~ '::double) - 1' -%}
{%- set shortfall = 'pow((' ~ gap ~ ') * ((' ~ gap ~ ') < 0)::integer, 2)' -%}
{%- set shortfall_sum = exact_sum('(' ~ gap ~ ') * ((' ~ gap ~ ') < 0)::integer', over, 16) -%}
{%- set pair = '0 * (' ~ active ~ ')' -%}
{%- set compared_excess = benchmark_excess ~ ' + ' ~ pair -%}
{%- set spread = 'sqrt(greatest(' ~ exact_co_moment(compared_excess, compared_excess, over)
    ~ ', 0))' -%}
{%- set slope = exact_slope(excess, benchmark_excess, over) -%}
{%- set alpha = 'pow(1 + ' ~ exact_mean(excess ~ ' + ' ~ pair, over)
    ~ ' - ' ~ slope ~ ' * ' ~ exact_mean(compared_excess, over) ~ ', ' ~ periods ~ ') - 1' -%}
min(session_date) over {{ frame }} as first_session_date,
max(session_date) over {{ frame }} as last_session_date,
count(*) over {{ frame }} as session_count,
count(*) over {{ frame }} - count(session_return) over {{ frame }} as missing_return_count,
count(*) filter (where stale_price_count > 0) over {{ frame }} as bridged_count,
case when {{ complete }} then {{ growth }} - 1 end as cumulative_return,
case
    when {{ complete }} and {{ dated }} and {{ enough }} and {{ growth }} >= 0
        then {{ finite(cagr) }}
end as cagr,
case when {{ enough }} then {{ exact_deviation('session_return', over) }} * sqrt({{ periods }}) end
    as annualized_volatility,
case when {{ enough }} then {{ sharpe_ratio(excess, over) }} * sqrt({{ periods }}) end
    as sharpe_ratio,
case
    when {{ enough }}
        then
            {{ exact_mean(gap, over) }}
            / {{ nullif_near_zero('sqrt(' ~ exact_mean(shortfall, over, 26) ~ ')') }}
            * sqrt({{ periods }})
end as sortino_ratio,
{{ exact_sum('(' ~ gap ~ ') * ((' ~ gap ~ ') > 0)::integer', over, 16) }}
/ -{{ nullif_near_zero(shortfall_sum) }} as omega_ratio,
{{ exact_shape('session_return', over, 3) }} as skewness,
{{ exact_shape('session_return', over, 4) }} - 3 as excess_kurtosis,
max(session_return) over {{ frame }} as best_session_return,
min(session_return) over {{ frame }} as worst_session_return,
{{ exact_mean('(session_return > 0)::integer', over, 0) }} as hit_ratio,
{{ compared }} as benchmark_count,
{{ compared }} / count(*) over {{ frame }} as benchmark_coverage_ratio,
case
    when {{ compared }} >= {{ min_year_sessions() }} and {{ nullif_near_zero(spread) }} is not null
        then {{ slope }}
end as beta,
case
    when {{ compared }} >= {{ min_year_sessions() }} and {{ nullif_near_zero(spread) }} is not null
        then {{ finite(alpha) }}
end as alpha,
case
    when {{ compared }} >= {{ min_year_sessions() }}
        then {{ exact_deviation(active, over) }} * sqrt({{ periods }})
end as tracking_error,
case
    when {{ compared }} >= {{ min_year_sessions() }}
        then {{ sharpe_ratio(active, over) }} * sqrt({{ periods }})
end as information_ratio,
{{ capture('benchmark_return > 0', frame) }} as up_capture_ratio,
{{ capture('benchmark_return < 0', frame) }} as down_capture_ratio
{%- endmacro %}

{% macro sharpe_ratio(excess, over) -%}
{{ exact_mean(excess, over) }} / {{ nullif_near_zero(exact_deviation(excess, over)) }}
{%- endmacro %}

{% macro capture(side, frame) -%}
{#- The portfolio's compound mean return per session over the benchmark's. -#}
{%- set on_side = 'filter (where ' ~ side ~ ' and session_return is not null) over ' ~ frame -%}
{%- set exponent = '1 / nullif(count(*) ' ~ on_side ~ ', 0)::double' -%}
{%- set benchmark_mean = 'pow(' ~ exact_product('1 + benchmark_return', on_side) ~ ', ' ~ exponent
    ~ ') - 1' -%}
case
    when {{ exact_product('1 + session_return', on_side) }} >= 0
        then
            (pow({{ exact_product('1 + session_return', on_side) }}, {{ exponent }}) - 1)
            / {{ nullif_near_zero(benchmark_mean) }}
end
{%- endmacro %}

{% macro nullif_near_zero(value) -%}
{#- A result this close to zero is only the rounding error of returns. -#}
case when abs({{ value }}) > 1e-12 then {{ value }} end
{%- endmacro %}

{#- With fewer sessions, nothing is annualized, and no slope or correlation is computed. -#}
{% macro min_year_sessions() -%}
{{ return(20) }}
{%- endmacro %}
