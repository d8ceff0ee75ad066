{% macro cutoff_in_session(presets) -%}
{#-
    A session that closes early has its last minute at a later cutoff, so any close of the market
    will do. A preset's own cutoff is no mistake on a day that trades at other hours.
-#}
{%- set problems %}
        select
            'a cutoff of ' || left(p_cutoff_time::time::varchar, 5)
            || ' is outside the session of ' || p_session_date
            || '; try a time after ' || strftime(min(open_ts) filter (where is_scanned), '%H:%M')
            || ', up to ' || format(
                '{:02d}:{:02d}',
                max(close_minute) filter (where is_scanned) // 60,
                max(close_minute) filter (where is_scanned) % 60
            ) as problem
        from (
            select
                *,
                session_date between p_session_date::date
                    and coalesce(p_last_session_date, p_session_date)::date as is_scanned
            from {{ ref('scanners__sessions').include(database=false) }}
            where has_minutes
        )
        having
            (
                p_cutoff_time::time <= min(open_ts::time) filter (where is_scanned)
                or date_diff('minute', time '00:00', p_cutoff_time::time) > max(close_minute)
            )
            and not exists (
                select 1 from {{ presets }}
                where preset = p_preset and cutoff_time = p_cutoff_time::time
            )
{%- endset -%}
{{ no_problem(problems) }}
{%- endmacro %}
