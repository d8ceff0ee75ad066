{{ config(materialized='ephemeral') }}
{#- So that equal scores are equal, and 50 is 50 and not a bit less. -#}
{%- set score_decimals = 6 -%}

with

presets as (
    select * from {{ ref('momentum_presets') }}
),

so_far as (
    select * from {{ ref('scanners__sessions_so_far') }}
),

expected_volumes as (
    select * from {{ ref('scanners__expected_volumes') }}
),

measures as (
    select
        so_far.*,
        presets.* exclude (cutoff_time),
        expected_volumes.expected_volume,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        {{ change_pct('so_far.last_price', 'so_far.open_price', 'so_far.open_price') }}
            as change_pct
    from so_far
    inner join presets using (cutoff_time)
    left join expected_volumes
        on
            so_far.symbol = expected_volumes.symbol
            and so_far.session_date = expected_volumes.session_date
            and so_far.cutoff_time = expected_volumes.cutoff_time
            and presets.history_sessions = expected_volumes.history_sessions
),

-- not by least(), which takes what is not known for the cap
scored as (
    select
        *,
        case
            when change_pct > 0 then 'long'
            when change_pct < 0 then 'short'
            else 'none'
        end as direction,
        case
            when abs(change_pct) >= full_change_pct then 1
            else abs(change_pct) / full_change_pct
        end as change_score,
        case
            when relative_volume >= full_relative_volume then 1
            else relative_volume / full_relative_volume
        end as volume_score
    from measures
),

final as (
    select
        *,
        round(
            100 * (change_weight * change_score + volume_weight * volume_score),
            {{ score_decimals }}
        ) as momentum_score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_history'
            when relative_volume is null then 'no_volume_in_history'
            when direction = 'none' then 'no_change'
            when abs(change_pct) < min_change_pct then 'change_too_small'
            when relative_volume < min_relative_volume then 'relative_volume_too_low'
        end as rejected_by
    from scored
)

select * from final
