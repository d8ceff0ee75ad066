{{ config(materialized='ephemeral') }}

{{ checked_minutes_query(
    minute_bars=ref('bars__delivered_minutes'),
    stale_symbols=ref('bars__stale_symbols'),
    symbol_days=ref('bars__symbol_days'),
    delivered_days=ref('bars__delivered_days'),
    calendars=ref('calendars'),
    sessions=ref('bars__sessions'),
    precedences=ref('source_precedence'),
) }}
