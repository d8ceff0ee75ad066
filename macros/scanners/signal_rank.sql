{% macro signal_rank(score) -%}
case
    when rejected_by is null
        then row_number() over (
            partition by calendar, session_date, cutoff_time, preset, rejected_by is null
            order by {{ score }} desc, relative_volume desc nulls last, symbol
        )
end
{%- endmacro %}
