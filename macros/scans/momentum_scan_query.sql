{% macro momentum_scan_query(presets, session_to_cutoff, expected_volumes) -%}

with

presets as (
    select * from {{ presets }}
),

to_cutoff as (
    select * from {{ session_to_cutoff }}
),

expected_volumes as (
    select * from {{ expected_volumes }}
),

measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        expected_volumes.expected_volume,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        {{ difference_pct('to_cutoff.last_price', 'to_cutoff.open_price', 'to_cutoff.open_price') }}
            as change_pct
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_expected_volumes() }}
),

-- not least(), which would turn NULL into the cap
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

checked as (
    select
        *,
        round(
            100 * (change_weight * change_score + volume_weight * volume_score),
            {{ score_decimals() }}
        ) as score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when relative_volume is null then 'no_volume_in_history'
            when direction = 'none' then 'no_change'
            when abs(change_pct) < min_change_pct then 'change_too_small'
            when relative_volume < min_relative_volume then 'relative_volume_too_low'
        end as rejected_by
    from scored
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        direction,
        last_price,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        expected_volume,
        change_pct,
        relative_volume,
        change_score,
        volume_score,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
