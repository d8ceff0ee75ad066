{% macro signal_rank(score, is_signal='true') -%}
{%- set is_signal = 'rejected_by is null and (' ~ is_signal ~ ')' -%}
case
    when {{ is_signal }}
        then row_number() over (
            partition by calendar, session_date, cutoff_time, preset, coalesce({{ is_signal }}, false)
            order by {{ score }} desc, relative_volume desc nulls last, symbol
        )
end
{%- endmacro %}
