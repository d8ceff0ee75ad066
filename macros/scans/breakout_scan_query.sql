{% macro breakout_scan_query(
    presets, session_to_cutoff, expected_volumes, histories, score_tiers
) -%}

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

histories as (
    select * from {{ histories }}
),

score_tiers as (
    select * from {{ score_tiers }}
),

tiers as (
    {{ scanner_tiers('score_tiers', 'breakout', ['distance', 'volume', 'momentum']) }}
),

-- in shares as traded on the day of the scan
levels as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        histories.history_count,
        expected_volumes.relative_volume,
        expected_volumes.history_count as volume_history_count,
        round(
            histories.adjusted_high / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as resistance,
        round(
            histories.adjusted_low / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as support,
        round(
            histories.adjusted_prior_close / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as prior_close,
        round(
            histories.adjusted_high_before_prior_session / to_cutoff.adjustment_factor,
            {{ price_decimals() }}
        ) as prior_resistance,
        round(
            histories.adjusted_low_before_prior_session / to_cutoff.adjustment_factor,
            {{ price_decimals() }}
        ) as prior_support,
        {{ difference_pct(
            'histories.adjusted_high', 'histories.adjusted_low', 'histories.adjusted_mean_close'
        ) }}
            as consolidation_pct,
        {{ difference_pct('to_cutoff.last_price', 'to_cutoff.open_price', 'to_cutoff.open_price') }}
            as change_pct
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_histories() }}
    {{ with_expected_volumes() }}
),

-- prices beyond which a break begins, also rounded: 100.50 is not above 100.00 by over 0.5 percent
thresholds as (
    select
        *,
        round(resistance * (1 + min_breakout_pct / 100), {{ price_decimals() }}) as long_above,
        round(support * (1 - min_breakout_pct / 100), {{ price_decimals() }}) as short_below,
        round(prior_resistance * (1 + min_breakout_pct / 100), {{ price_decimals() }})
            as prior_long_above,
        round(prior_support * (1 - min_breakout_pct / 100), {{ price_decimals() }})
            as prior_short_below
    from levels
),

directed as (
    select
        *,
        case
            when last_price > long_above then 'long'
            when last_price < short_below then 'short'
            else 'none'
        end as direction
    from thresholds
),

measures as (
    select
        *,
        case direction
            when 'long' then {{ difference_pct('last_price', 'resistance', 'resistance') }}
            when 'short' then {{ difference_pct('support', 'last_price', 'support') }}
        end as breakout_pct,
        case direction when 'short' then -change_pct else change_pct end as momentum_pct,
        case direction
            when 'long' then prior_close > prior_long_above
            when 'short' then prior_close < prior_short_below
        end as is_stale_breakout,
        case direction
            when 'long' then open_price > long_above
            when 'short' then open_price < short_below
        end as has_gapped
    from directed
),

scored as (
    select
        measures.*,
        {{ tier_share('distance', 'breakout_pct') }} as distance_score,
        {{ tier_share('volume', 'relative_volume') }} as volume_score,
        {{ tier_share('momentum', 'momentum_pct') }} as momentum_score
    from measures
    cross join tiers
),

checked as (
    select
        *,
        round(
            100 * (
                distance_weight * distance_score
                + volume_weight * volume_score
                + momentum_weight * momentum_score
            ), {{ score_decimals() }}
        ) as score,
        case
            when history_count is null or history_count < lookback_sessions
                then 'missing_daily_history'
            when volume_history_count is null or volume_history_count < min_history_sessions
                then 'missing_volume_history'
            when relative_volume is null then 'no_volume_in_history'
            when last_price < min_price or last_price > max_price then 'price_out_of_bounds'
            when consolidation_pct > max_consolidation_pct then 'consolidation_too_wide'
            when direction = 'none' then 'no_break'
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
        resistance,
        support,
        breakout_pct,
        consolidation_pct,
        momentum_pct,
        relative_volume,
        coalesce(is_stale_breakout, false) as is_stale_breakout,
        coalesce(has_gapped, false) as has_gapped,
        distance_score,
        volume_score,
        momentum_score,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
