{% macro any_cutoff(presets) -%}
{#-
    The names omit the database, which is renamed when it is published. Only the minutes that a scan
    needs are read.
-#}
{%- set cutoff_minute -%}
date_diff('minute', time '00:00', try_cast(p_cutoff_time as time))
{%- endset -%}
{#- Swapped dates leave no sessions, and no condition on those would run: the end checks them. -#}
{%- set last_session -%}
case
    when {{ dates_in_order('p_session_date', 'p_last_session_date') | indent(4) }}
        then coalesce(p_last_session_date, p_session_date)::date
end
{%- endset -%}
{#- One condition, so that a scan of no preset is not cut short before its name is checked. -#}
{%- set seed = presets.include(database=false) -%}
{%- set chosen_presets -%}
chosen_presets as (
    select *
    from {{ seed }}
    where
        case when {{ name_exists(
            presets.identifier.removesuffix('_presets') ~ ' preset', 'p_preset', seed, 'preset'
        ) | indent(8) }}
        and {{ session_exists('p_last_session_date') | indent(8) }}
        and {{ cutoff_is_a_time() | indent(8) }}
        and {{ cutoff_in_session(seed) | indent(8) }}
        then preset = p_preset end
)
{%- endset -%}
{%- set cutoffs -%}
(
    select
        try_cast(p_cutoff_time as time) as cutoff_time,
        {{ cutoff_minute }} as cutoff_minute,
        history_sessions
    from chosen_presets
)
{%- endset -%}
{%- set session_minutes -%}
(
    select *
    from {{ ref('scanners__session_minutes').include(database=false) }}
    where cutoff_minute <= {{ cutoff_minute }} and session_date <= {{ last_session }}
)
{%- endset -%}
{%- set sessions = ref('scanners__sessions').include(database=false) -%}
{%- set traded = traded_to_cutoff_query(
    session_minutes=session_minutes,
    sessions=sessions,
    cutoffs=cutoffs,
    histories=ref('scanners__histories').include(database=false),
    conflicts=ref('bars__day_minute_conflicts').include(database=false),
) -%}
{%- set to_cutoff -%}
(
    select *
    from ({{ session_to_cutoff_query('(' ~ traded ~ ')') }})
    where session_date between p_session_date::date and {{ last_session }}
)
{%- endset -%}
{%- set volumes = expected_volumes_query(
    session_to_cutoff=to_cutoff,
    session_minutes=session_minutes,
    sessions=sessions,
    cutoffs=cutoffs,
) -%}
{{ return({
    'chosen_presets': chosen_presets,
    'presets': '(select * replace (try_cast(p_cutoff_time as time) as cutoff_time) from chosen_presets)',
    'session_to_cutoff': to_cutoff,
    'expected_volumes': '(' ~ volumes ~ ')',
}) }}
{%- endmacro %}
