{%- set code = code_checksum(
    ['backtests__signals', 'backtests__entries', 'backtests__minutes', 'backtests__excursions',
     'backtests__exits', 'backtests__tradable_signals', 'backtests__session_accounts'],
    [exit_reason(), exit_price(), fill_charges('sell', 'quantity', 'price', 'charges')]
) %}

with

signals as (
    select * from {{ ref('scanners__signals') }}
),

settings as (
    select
        *,
        to_json(settings)::varchar as setting_row
    from {{ ref('backtest_settings') }} as settings -- noqa: AL05
),

-- all runs of a calendar cover the same sessions, so that they can be compared
periods as (
    select
        calendar,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date
    from signals
    group by calendar
),

scans as (
    select
        scanner,
        preset,
        calendar,
        min(scanner_version) as scanner_version,
        min(data_version) as data_version,
        count(*) as signal_count
    from signals
    group by scanner, preset, calendar
),

final as (
    select
        md5(
            concat_ws(
                '|',
                scans.scanner,
                scans.preset,
                scans.scanner_version,
                settings.setting_row,
                '{{ code }}',
                scans.data_version
            )
        ) as run_id,
        scans.scanner,
        scans.preset,
        settings.setting,
        calendar,
        settings.capital_amount::decimal(18, 4) as capital_amount,
        periods.first_session_date,
        periods.last_session_date,
        scans.signal_count,
        scans.scanner_version,
        '{{ code }}' as code_version,
        scans.data_version
    from scans
    inner join settings using (calendar)
    inner join periods using (calendar)
)

select * from final
order by scanner, preset, setting
