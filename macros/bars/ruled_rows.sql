{% macro ruled_rows(rows, kind) -%}
select
    {{ rows }}.*,
    sessions.open_ts,
    sessions.close_ts,
    coalesce(precedences.precedence, 0) as precedence,
    coalesce(
        if(delivered_days.is_of_another_calendar, 'symbol_of_another_calendar', null),
        {{ broken_price_rule() }},
        {%- if kind == 'daily' %}
        {{ broken_time_rule(
            rows ~ '.session_date::timestamp',
            'coalesce(sessions.close_ts, ' ~ rows ~ '.session_date::timestamp)'
        ) }},
        {%- else %}
        {{ broken_time_rule('bar_ts', 'bar_ts + interval 1 minute') }},
        if(
            list_bool_or(
                list_transform(
                    sessions.parts,
                    lambda part: bar_ts >= part.open_ts and bar_ts < part.close_ts
                )
            ), null, 'out_of_session'
        ),
        {%- endif %}
        if(delivered_days.is_copied, 'copied_across_symbols', null)
    ) as broken_rule
from {{ rows }}
inner join delivered_days
    on
        {{ rows }}.symbol = delivered_days.symbol
        and {{ rows }}.session_date = delivered_days.session_date
        and {{ rows }}.delivery = delivered_days.delivery
        and delivered_days.kind = '{{ kind }}'
left join calendars on {{ rows }}.calendar = calendars.calendar
left join sessions
    on
        {{ rows }}.calendar = sessions.calendar
        and {{ rows }}.session_date = sessions.session_date
left join precedences on {{ rows }}.source = precedences.source
{%- endmacro %}
