-- Which symbols hold above the session's VWAP, on rising volume, at the cutoff?
--
-- A scanner to start from. It runs as it is in any SQL client (`dbt compile`, then the file under
-- target/compiled). To include it in scanners.signals, in outcomes and in backtests:
--   1. move it to models/scanners/scans/scanners__above_vwap.sql, with a properties file;
--   2. move the row of `presets` to seeds/scanners/above_vwap_presets.csv, and let the CTE read it:
--      select * from ref('above_vwap_presets'), in double braces;
--   3. add an entry to the list in macros/scanners/scanners.sql:
--      'above_vwap': {'lengths': [], 'is_live': false},
-- models/scanners/scans/README.md says how `./bourse scan` finds it too.
with

presets as (
    select
        'standard' as preset,
        time '10:00' as cutoff_time,
        time '15:15' as exit_time,
        5 as history_sessions,
        5 as min_history_sessions,
        0.3 as min_above_vwap_pct,
        1.2 as min_relative_volume,
        1.5 as stop_loss_pct,
        3.0 as take_profit_pct,
        10.0 as position_pct,
        3 as max_signals
),

to_cutoff as (
    select * from {{ ref('scanners__session_to_cutoff') }}
),

expected_volumes as (
    select * from {{ ref('scanners__expected_volumes') }}
),

measures as (
    select
        to_cutoff.session_date,
        to_cutoff.cutoff_time,
        presets.preset,
        to_cutoff.symbol,
        to_cutoff.calendar,
        to_cutoff.last_price,
        to_cutoff.vwap_to_cutoff,
        to_cutoff.obv_to_cutoff,
        to_cutoff.mean_obv_to_cutoff,
        {{ difference_pct(
            'to_cutoff.last_price', 'to_cutoff.vwap_to_cutoff', 'to_cutoff.vwap_to_cutoff'
        ) }}
            as above_vwap_pct,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        presets.min_history_sessions,
        presets.min_above_vwap_pct,
        presets.min_relative_volume
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_expected_volumes() }}
),

checked as (
    select
        *,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when above_vwap_pct is null or relative_volume is null then 'no_volume'
            when obv_to_cutoff <= mean_obv_to_cutoff then 'falling_volume'
            when above_vwap_pct < min_above_vwap_pct then 'too_near_vwap'
            when relative_volume < min_relative_volume then 'relative_volume_too_low'
        end as rejected_by
    from measures
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        'long' as direction,
        last_price,
        vwap_to_cutoff,
        above_vwap_pct,
        relative_volume,
        least(100, round(100 * above_vwap_pct / (3 * min_above_vwap_pct), 6)) as score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
