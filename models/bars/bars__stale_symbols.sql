{{ config(materialized='ephemeral') }}

{{ stale_symbols(built_through(['bars__ohlcv', 'bars__rejected'])) }}
