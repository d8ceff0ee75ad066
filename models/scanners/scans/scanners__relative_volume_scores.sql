{{ config(materialized='ephemeral') }}
{#- Volumes come back from adjusted ones: rounded, so that no later split moves their last bit. -#}
{%- set volume_decimals = 6 -%}
{%- set score_decimals = 6 -%}

with

presets as (
    select * from {{ ref('relative_volume_presets') }}
),

so_far as (
    select * from {{ ref('scanners__sessions_so_far') }}
),

expected_volumes as (
    select * from {{ ref('scanners__expected_volumes') }}
),

histories as (
    select * from {{ ref('scanners__histories') }}
),

measures as (
    select
        so_far.*,
        presets.* exclude (cutoff_time),
        expected_volumes.expected_volume,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        histories.history_count as daily_history_count,
        round(
            histories.mean_volume * so_far.adjustment_factor, {{ volume_decimals }}
        ) as avg_daily_volume,
        {{ change_pct('so_far.last_price', 'so_far.open_price', 'so_far.open_price') }}
            as change_pct,
        {{ change_pct('so_far.high_to_cutoff', 'so_far.low_to_cutoff', 'so_far.last_price') }}
            as intraday_range_pct
    from so_far
    inner join presets using (cutoff_time)
    left join histories
        on
            so_far.symbol = histories.symbol
            and so_far.session_date = histories.session_date
            and presets.lookback_sessions = histories.lookback_sessions
    left join expected_volumes
        on
            so_far.symbol = expected_volumes.symbol
            and so_far.session_date = expected_volumes.session_date
            and so_far.cutoff_time = expected_volumes.cutoff_time
            and presets.history_sessions = expected_volumes.history_sessions
),

final as (
    select
        *,
        case
            when change_pct > 0 then 'long'
            when change_pct < 0 then 'short'
            else 'none'
        end as direction,
        case
            when abs(change_pct) >= high_change_pct and intraday_range_pct >= high_range_pct
                then 'HIGH'
            when abs(change_pct) >= moderate_change_pct and intraday_range_pct >= moderate_range_pct
                then 'MODERATE'
            when abs(change_pct) >= low_change_pct then 'LOW'
            else 'NEUTRAL'
        end as momentum_class,
        case
            when relative_volume >= full_relative_volume then 100
            else round(100 * relative_volume / full_relative_volume, {{ score_decimals }})
        end as relative_volume_score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_history'
            when avg_daily_volume is null or daily_history_count < min_history_sessions
                then 'missing_daily_history'
            when relative_volume is null then 'no_volume_in_history'
            when bars_to_cutoff < min_bars then 'too_few_bars'
            when avg_daily_volume < min_avg_daily_volume then 'daily_volume_too_low'
            when abs(change_pct) > max_change_pct then 'change_too_large'
            when relative_volume < min_relative_volume then 'relative_volume_too_low'
        end as rejected_by
    from measures
)

select * from final
