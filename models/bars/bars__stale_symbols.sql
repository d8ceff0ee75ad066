{{ config(materialized='ephemeral') }}

{{ stale_symbols(built_to(['bars__ohlcv', 'bars__rejected'])) }}
