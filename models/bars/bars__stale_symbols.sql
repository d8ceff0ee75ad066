{{ config(materialized='ephemeral') }}

{{ stale_symbols(ref('bars__symbol_days'), 'bars') }}
