{% macro relative_volume_scan_query(presets, session_to_cutoff, expected_volumes, histories) -%}
{#- Computed from adjusted volumes: rounded, so that a later split does not move the last bit. -#}
{%- set volume_decimals = 6 -%}

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

measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        expected_volumes.expected_volume,
        expected_volumes.relative_volume,
        expected_volumes.history_count,
        histories.history_count as daily_history_count,
        round(
            histories.adjusted_mean_volume * to_cutoff.adjustment_factor, {{ volume_decimals }}
        ) as mean_daily_volume,
        {{ difference_pct('to_cutoff.last_price', 'to_cutoff.open_price', 'to_cutoff.open_price') }}
            as change_pct,
        {{ difference_pct(
            'to_cutoff.high_to_cutoff', 'to_cutoff.low_to_cutoff', 'to_cutoff.last_price'
        ) }}
            as range_pct
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_histories() }}
    {{ with_expected_volumes() }}
),

checked as (
    select
        *,
        case
            when change_pct > 0 then 'long'
            when change_pct < 0 then 'short'
            else 'none'
        end as direction,
        case
            when abs(change_pct) >= high_change_pct and range_pct >= high_range_pct
                then 'high'
            when abs(change_pct) >= moderate_change_pct and range_pct >= moderate_range_pct
                then 'moderate'
            when abs(change_pct) >= low_change_pct then 'low'
            else 'neutral'
        end as momentum_class,
        case
            when relative_volume >= full_relative_volume then 100
            else round(100 * relative_volume / full_relative_volume, {{ score_decimals() }})
        end as score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when mean_daily_volume is null or daily_history_count < min_history_sessions
                then 'missing_daily_history'
            when relative_volume is null then 'no_volume_in_history'
            when bar_count_to_cutoff < min_bars then 'too_few_bars'
            when mean_daily_volume < min_mean_daily_volume then 'daily_volume_too_low'
            when abs(change_pct) > max_change_pct then 'change_too_large'
            when relative_volume < min_relative_volume then 'relative_volume_too_low'
            when direction = 'none' then 'no_change'
        end as rejected_by
    from measures
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
        bar_count_to_cutoff,
        expected_volume,
        mean_daily_volume,
        relative_volume,
        change_pct,
        range_pct,
        momentum_class,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
