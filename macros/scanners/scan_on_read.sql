{% macro scan_on_read(scanner) -%}
{#-
    The scanner's own SQL, for any cutoff: everything that it reads is inlined, down to the presets,
    the cutoffs and the minutes, of which only the ones that it needs are read.
-#}
create or replace macro {{ scanner }}_scan(
    p_session_date, p_cutoff_time, p_preset, p_last_session_date := null
) as table (
    select *
    from (
{{ sql_on_read('scanners__' ~ scanner, scanner) }}
    )
    where session_date between p_session_date::date and coalesce(p_last_session_date, p_session_date)::date
    order by session_date, signal_rank nulls last, score desc, symbol
);
{%- endmacro %}
