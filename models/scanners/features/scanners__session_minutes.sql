{{ config(
    materialized='changed_ranges',
    incremental_strategy='stale_sessions',
) }}
-- depends_on: {{ ref('bars__day_changes') }}

{{ session_minutes_query(
    symbol_days=ref('bars__symbol_days'),
    sessions=ref('bars__sessions'),
    stale_sessions=ref('scanners__stale_sessions'),
    bars=ref('bars__ohlcv'),
) }}
-- rows of one time of day are next to each other, for scans over many sessions
order by cutoff_minute, session_date, symbol
