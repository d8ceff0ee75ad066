-- depends_on: {{ ref('bars__day_changes') }}
{{ config(
    materialized='changed_ranges',
    incremental_strategy='stale_bars',
    meta={'records_order': true},
) }}

{{ ohlcv_query(
    checked_daily=ref('bars__checked_daily'),
    checked_minutes=ref('bars__checked_minutes'),
    symbol_days=ref('bars__symbol_days'),
    sessions=ref('bars__sessions'),
    stale_symbols=ref('bars__stale_symbols'),
    built=this if model.config.materialized == 'changed_ranges' else none,
) }}
