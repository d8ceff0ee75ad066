{% macro crp_scan_query(presets, session_to_cutoff, expected_volumes, score_tiers) -%}

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

score_tiers as (
    select * from {{ score_tiers }}
),

tiers as (
    {{ scanner_tiers('score_tiers', 'crp', ['close', 'range', 'volume', 'momentum']) }}
),

measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        {{ difference_pct(
            'to_cutoff.high_to_cutoff', 'to_cutoff.last_price', 'to_cutoff.high_to_cutoff'
        ) }}
            as below_high_pct,
        {{ difference_pct(
            'to_cutoff.last_price', 'to_cutoff.low_to_cutoff', 'to_cutoff.low_to_cutoff'
        ) }}
            as above_low_pct,
        {{ difference_pct(
            'to_cutoff.high_to_cutoff', 'to_cutoff.low_to_cutoff', 'to_cutoff.last_price'
        ) }}
            as range_pct,
        {{ difference_pct('to_cutoff.last_price', 'to_cutoff.open_price', 'to_cutoff.open_price') }}
            as change_pct
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_expected_volumes() }}
),

-- in a very tight range both extremes are near: the nearer one counts, and the high on a tie
positions as (
    select
        *,
        case
            when below_high_pct <= max_close_distance_pct
                and (above_low_pct > max_close_distance_pct or below_high_pct <= above_low_pct)
                then 'near_high'
            when above_low_pct <= max_close_distance_pct then 'near_low'
            else 'mid_range'
        end as range_zone
    from measures
),

directed as (
    select
        *,
        case range_zone
            when 'near_high' then 'long'
            when 'near_low' then 'short'
            else 'none'
        end as direction,
        case range_zone when 'near_low' then -change_pct else change_pct end as momentum_pct
    from positions
),

scored as (
    select
        directed.*,
        {{ tier_share('close', "(range_zone != 'mid_range')::integer") }} as close_score,
        {{ tier_share('range', 'range_pct / full_range_pct') }} as range_score,
        {{ tier_share('volume', 'relative_volume') }} as volume_score,
        {{ tier_share('momentum', 'momentum_pct') }} as momentum_score
    from directed
    cross join tiers
),

checked as (
    select
        *,
        round(
            100 * (
                close_weight * close_score
                + range_weight * range_score
                + volume_weight * volume_score
                + momentum_weight * momentum_score
            ), {{ score_decimals() }}
        ) as score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when relative_volume is null then 'no_volume_in_history'
            when last_price < min_price or last_price > max_price then 'price_out_of_bounds'
            when volume_to_cutoff < min_volume or volume_to_cutoff > max_volume
                then 'volume_out_of_bounds'
            when direction = 'none' then 'no_direction'
            when score < min_score then 'score_too_low'
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
        range_pct,
        momentum_pct,
        relative_volume,
        range_zone,
        close_score,
        range_score,
        volume_score,
        momentum_score,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
