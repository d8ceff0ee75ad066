{#- In the order in which they read each other. -#}
{%- set queries = [
    ('live.presets', all_presets(
        ['preset', 'cutoff_time::time as cutoff_time'],
        of=live_scanners(),
    )),
    ('bars.ticked_minutes', ticked_minutes_query(
        ticks='staging.stg_journal__ticks',
        recordings='bars.recordings',
        calendars='seeds.calendars',
    )),
    ('bars.checked_minutes', checked_minutes_query(
        minute_bars='bars.delivered_minutes',
        stale_symbols='bars.stale_symbols',
        symbol_days='bars.symbol_days',
        delivered_days='bars.delivered_days',
        calendars='seeds.calendars',
        sessions='bars.sessions',
        precedences='seeds.source_precedence',
    )),
    ('bars.ohlcv', ohlcv_query(
        checked_daily='bars.checked_daily',
        checked_minutes='bars.checked_minutes',
        symbol_days='bars.symbol_days',
        sessions='bars.sessions',
        stale_symbols='bars.stale_symbols',
    )),
    ('scanners.session_minutes', session_minutes_query(
        symbol_days='bars.symbol_days',
        sessions='bars.sessions',
        stale_sessions='scanners.stale_sessions',
        bars='bars.ohlcv',
    )),
    ('scanners.sessions', sessions_query(
        session_minutes='scanners.session_minutes',
        sessions='bars.sessions',
    )),
    ('scanners.histories', histories_query(
        session_minutes='scanners.session_minutes',
        conflicts='bars.day_minute_conflicts',
        bars='bars.ohlcv',
        sessions='bars.sessions',
    )),
    ('scanners.prior_sessions', prior_sessions_query(
        session_minutes='scanners.session_minutes',
        sessions='bars.sessions',
        conflicts='bars.day_minute_conflicts',
        bars='bars.ohlcv',
        families={
            'momentum': 'indicators.momentum',
            'macd': 'indicators.macd',
            'moving_averages': 'indicators.moving_averages',
            'bands': 'indicators.bands',
            'directional_movement': 'indicators.directional_movement',
            'stops': 'indicators.stops',
        },
    )),
    ('scanners.opening_ranges', opening_ranges_query(
        session_minutes='scanners.session_minutes',
        sessions='bars.sessions',
    )),
    ('scanners.signals', signals_query(data_version='bars.data_version')),
] -%}
{#- The database of presets and scanners, whose name changes when it is published. -#}
{%- set database = '"' ~ target.database ~ '".' -%}

with

queries (step, relation, code) as (
    values
    {%- for relation, code in queries %}
    ({{ loop.index0 }}, '{{ relation }}', $sql${{ code | replace(database, '') }}$sql$)
    {{- ',' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        step::integer as step,
        relation::varchar as relation,
        code::varchar as code
    from queries
)

select * from final
order by step
