{#- no ref: dbt resolves none in the config of a source -#}
{% macro owed_since(kind) %}
    with delivered as (
        select calendar, max(last_session_date) as last_session_date
        from staging.stg_raw__deliveries
        where kind = '{{ kind }}'
        group by calendar
    ),

    owed as (
        select min(timezone(calendars.timezone, sessions.close_ts)) as owed_at
        from delivered
        inner join seeds.calendars using (calendar)
        inner join bars.sessions using (calendar)
        where sessions.session_date > delivered.last_session_date
    )

    select timezone('UTC', least(coalesce(owed_at, now()), now()))
    from owed
{% endmacro %}
