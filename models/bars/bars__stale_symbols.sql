{{ config(materialized='ephemeral') }}

{{ stale_symbols_query(built_through(['bars__ohlcv', 'bars__rejected'])) }}
