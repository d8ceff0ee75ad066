-- no minute of the session was built before
select
    null::varchar as symbol,
    null::date as session_date,
    null::boolean as is_week_over,
    null::ubigint as version
where false
