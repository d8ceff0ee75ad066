{% macro opening_range_scan_query(presets, session_to_cutoff, expected_volumes, opening_ranges) -%}

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

opening_ranges as (
    select * from {{ opening_ranges }}
),

-- a range that has not ended by the cutoff is not known
measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        opening_ranges.range_high,
        opening_ranges.range_low,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        {{ difference_pct('to_cutoff.last_price', 'to_cutoff.open_price', 'to_cutoff.open_price') }}
            as change_pct
    from to_cutoff
    inner join presets using (cutoff_time)
    left join opening_ranges
        on
            to_cutoff.symbol = opening_ranges.symbol
            and to_cutoff.session_date = opening_ranges.session_date
            and presets.range_minutes = opening_ranges.range_minutes
            and to_cutoff.session_date + to_cutoff.cutoff_time >= opening_ranges.range_end_ts
    {{ with_expected_volumes() }}
),

-- products, not conditions: a NULL input makes the points NULL, not 0
points as (
    select
        * exclude (
            obv_points,
            vwap_points,
            range_points,
            change_points,
            relative_volume_points,
            volume_points
        ),
        obv_points
        + vwap_points
        + range_points
        + change_points
        + relative_volume_points
        + volume_points as most_points,
        obv_points * (obv_to_cutoff > mean_obv_to_cutoff)::integer as long_obv_points,
        obv_points * (obv_to_cutoff < mean_obv_to_cutoff)::integer as short_obv_points,
        vwap_points * (last_price > vwap_to_cutoff)::integer as long_vwap_points,
        vwap_points * (last_price < vwap_to_cutoff)::integer as short_vwap_points,
        range_points * (last_price > range_high)::integer as long_range_points,
        range_points * (last_price < range_low)::integer as short_range_points,
        change_points * (change_pct > 0)::integer as long_change_points,
        change_points * (change_pct < 0)::integer as short_change_points,
        relative_volume_points
        * (relative_volume > min_relative_volume)::integer as relative_volume_points,
        volume_points * (volume_to_cutoff > min_volume)::integer as volume_points
    from measures
),

sides as (
    select
        *,
        long_obv_points
        + long_vwap_points
        + long_range_points
        + long_change_points
        + relative_volume_points
        + volume_points as long_points,
        short_obv_points
        + short_vwap_points
        + short_range_points
        + short_change_points
        + relative_volume_points
        + volume_points as short_points
    from points
),

directed as (
    select
        *,
        case
            when long_points >= min_points and long_points > short_points then 'long'
            when short_points >= min_points and short_points > long_points then 'short'
            else 'none'
        end as direction
    from sides
),

checked as (
    select
        *,
        case direction
            when 'long' then range_low
            when 'short' then range_high
        end as stop_price,
        round(
            100
            * case when long_points > short_points then long_points else short_points end
            / most_points,
            {{ score_decimals() }}
        ) as score,
        case
            when range_high is null then 'no_opening_range'
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when relative_volume is null then 'no_volume_in_history'
            when long_points is null or short_points is null then 'no_volume_by_cutoff'
            when long_points < min_points and short_points < min_points then 'too_few_points'
            when direction = 'none' then 'both_sides_alike'
            -- the position would be stopped at once
            when direction = 'long' and last_price <= range_low then 'beyond_the_stop'
            when direction = 'short' and last_price >= range_high then 'beyond_the_stop'
        end as rejected_by
    from directed
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
        stop_price,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        range_minutes,
        range_high,
        range_low,
        vwap_to_cutoff,
        obv_to_cutoff,
        mean_obv_to_cutoff,
        change_pct,
        relative_volume,
        relative_volume_points,
        volume_points,
        long_obv_points,
        long_vwap_points,
        long_range_points,
        long_change_points,
        long_points,
        short_obv_points,
        short_vwap_points,
        short_range_points,
        short_change_points,
        short_points,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
