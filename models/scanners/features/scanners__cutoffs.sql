{#- That another scanner looks at another cutoff does not change the version of this one. -#}
{{ config(meta={'records_code': false}) }}

with

presets as (
    {{ all_presets(['cutoff_time', 'history_sessions']) }}
),

final as (
    select distinct
        cutoff_time::time as cutoff_time,
        date_diff('minute', time '00:00', cutoff_time::time) as cutoff_minute,
        history_sessions::integer as history_sessions
    from presets
)

select * from final
order by cutoff_time, history_sessions
