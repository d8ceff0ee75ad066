{% macro new_high_scan_query(presets, session_to_cutoff, expected_volumes, histories) -%}
{#- Computed from adjusted prices: rounded, so that a later split does not move the last bit. -#}
{%- set decimals = 6 -%}

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

-- in shares as traded on the day of the scan
levels as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        histories.history_count,
        volumes.history_count as volume_history_count,
        round(histories.adjusted_high / to_cutoff.adjustment_factor, {{ decimals }}) as prior_high,
        round(
            histories.adjusted_prior_close / to_cutoff.adjustment_factor, {{ decimals }}
        ) as prior_close,
        round(
            volumes.adjusted_mean_volume * to_cutoff.adjustment_factor, {{ decimals }}
        ) as mean_daily_volume,
        -- evidence only: a history that is too short does not leave the symbol out
        {{ relative_volume_or_null() }} as relative_volume
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_histories() }}
    {{ with_histories('volumes', 'volume_lookback_sessions') }}
    {{ with_expected_volumes() }}
),

measures as (
    select
        *,
        {{ difference_pct('last_price', 'prior_high', 'nullif(prior_high, 0)') }} as new_high_pct,
        {{ difference_pct('last_price', 'prior_close', 'nullif(prior_close, 0)') }}
            as day_change_pct,
        round(
            volume_to_cutoff / nullif(mean_daily_volume, 0), {{ decimals }}
        ) as volume_ratio
    from levels
),

-- not least(), which would turn NULL into the cap
scored as (
    select
        *,
        case
            when new_high_pct >= full_new_high_pct then 1
            when new_high_pct > 0 then new_high_pct / full_new_high_pct
            when new_high_pct <= 0 then 0
        end as distance_score,
        case
            when volume_ratio >= full_volume_ratio then 1
            else volume_ratio / full_volume_ratio
        end as volume_score
    from measures
),

checked as (
    select
        *,
        round(
            100 * (distance_weight * distance_score + volume_weight * volume_score),
            {{ score_decimals() }}
        ) as score,
        case
            when
                prior_close is null
                or history_count is null
                or history_count < lookback_sessions
                or volume_history_count is null
                or volume_history_count < volume_lookback_sessions
                then 'missing_daily_history'
            when volume_ratio is null then 'no_volume_in_history'
            when last_price < min_price or last_price > max_price then 'price_out_of_bounds'
            when new_high_pct <= min_new_high_pct then 'no_new_high'
            when volume_ratio <= min_volume_ratio then 'volume_too_low'
            when day_change_pct <= min_day_change_pct then 'day_change_too_small'
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
        'long' as direction,
        last_price,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        prior_high,
        prior_close,
        mean_daily_volume,
        new_high_pct,
        day_change_pct,
        volume_ratio,
        relative_volume,
        distance_score,
        volume_score,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
