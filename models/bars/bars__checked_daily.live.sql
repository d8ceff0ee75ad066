-- no vendor has delivered the day yet
select
    null::varchar as symbol,
    null::date as session_date,
    null::timestamp as open_ts,
    null::timestamp as close_ts,
    null::double as open,
    null::double as high,
    null::double as low,
    null::double as close,
    null::double as volume,
    null::varchar as calendar,
    null::varchar as source,
    null::varchar as broken_rule,
    null::bigint as preference
where false
