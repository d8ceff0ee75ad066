{% macro input_on_read(name, scanner) -%}
{%- set preset -%}
select *
from {{ relation_on_read(scanner ~ '_presets') }}
where preset = p_preset
{%- endset -%}
{%- if name == scanner ~ '_presets' -%}
select * replace (left(p_cutoff_time::time::varchar, 5) as cutoff_time)
from ({{ preset }})
{%- elif name == 'scanners__cutoffs' -%}
select
    left(p_cutoff_time::time::varchar, 5) as cutoff_time,
    date_part('hour', p_cutoff_time::time) * 60 + date_part('minute', p_cutoff_time::time)
        as cutoff_minute,
    history_sessions
from ({{ preset }})
{%- elif name == 'scanners__session_minutes' -%}
select *
from {{ relation_on_read(name) }}
where
    cutoff_minute
    <= date_part('hour', p_cutoff_time::time) * 60 + date_part('minute', p_cutoff_time::time)
    and session_date <= coalesce(p_last_session_date, p_session_date)::date
{%- elif name == 'scanners__session_to_cutoff' -%}
select *
from ({{ sql_on_read(name, scanner) }})
where session_date between p_session_date::date and coalesce(p_last_session_date, p_session_date)::date
{%- elif name in inlined_on_read() -%}
{{ sql_on_read(name, scanner) }}
{%- else -%}
select * from {{ relation_on_read(name) }}
{%- endif -%}
{%- endmacro %}
