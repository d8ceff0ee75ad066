{% macro cutoff_is_a_time() -%}
{#- Elsewhere it is cast with try_cast, so that this is the error. -#}
case
    when p_cutoff_time is not null and try_cast(p_cutoff_time as time) is null then error(
        'a cutoff of ' || p_cutoff_time || ' is no time of day; write it as '
        || coalesce(
            left(try_cast(
                regexp_replace(p_cutoff_time::varchar, '^(\d?\d)\D?(\d\d)$', '\1:\2') as time
            )::varchar, 5),
            '09:50'
        )
    )::boolean
    else true
end
{%- endmacro %}

{% macro cutoff_in_session(presets) -%}
{#-
    A session that closes early has its last minute at a later cutoff, so any close of the market
    will do. A preset's own cutoff is no mistake on a day that trades at other hours.
-#}
{%- set problems %}
        select
            'a cutoff of ' || left(try_cast(p_cutoff_time as time)::varchar, 5)
            || ' is outside the session of ' || p_session_date
            || '; try a time after ' || left(min(first_open)::varchar, 5)
            || ', up to ' || format(
                '{:02d}:{:02d}', max(scanned_close) // 60, max(scanned_close) % 60
            ) as problem
        from (
            select
                calendar,
                min(open_ts::time) filter (where is_scanned) as first_open,
                max(close_minute) filter (where is_scanned) as scanned_close,
                max(close_minute) as last_close
            from (
                select
                    *,
                    session_date between p_session_date::date
                        and coalesce(p_last_session_date, p_session_date)::date as is_scanned
                from {{ ref('scanners__sessions').include(database=false) }}
                where has_minutes
            )
            group by calendar
        )
        where first_open is not null
        having
            not bool_or(
                try_cast(p_cutoff_time as time) > first_open
                and date_diff('minute', time '00:00', try_cast(p_cutoff_time as time)) <= last_close
            )
            and not exists (
                select 1 from {{ presets }}
                where preset = p_preset and cutoff_time = try_cast(p_cutoff_time as time)
            )
{%- endset -%}
{{ no_problem(problems) }}
{%- endmacro %}
