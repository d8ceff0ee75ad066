{% macro gap_scan_query(presets, session_to_cutoff, expected_volumes, prior_sessions) -%}

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

prior_sessions as (
    select * from {{ prior_sessions }}
),

-- in shares as traded on the day of the scan
levels as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        round(
            prior_sessions.adjusted_close / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as prior_close,
        -- evidence only: a history that is too short does not leave the symbol out
        {{ relative_volume_or_null() }} as relative_volume
    from to_cutoff
    inner join presets using (cutoff_time)
    left join prior_sessions using (symbol, session_date)
    {{ with_expected_volumes() }}
),

measures as (
    select
        *,
        {{ difference_pct('open_price', 'prior_close', 'nullif(prior_close, 0)') }} as gap_pct,
        {{ difference_pct('last_price', 'open_price', 'open_price') }} as change_pct
    from levels
),

gaps as (
    select
        *,
        case
            when gap_pct > 0 then 'up'
            when gap_pct < 0 then 'down'
        end as gap_direction,
        case
            when gap_pct > 0 then low_to_cutoff <= prior_close
            when gap_pct < 0 then high_to_cutoff >= prior_close
        end as is_filled_by_cutoff
    from measures
),

checked as (
    select
        *,
        case
            when is_filled_by_cutoff then 'none'
            when gap_direction = 'up' then 'long'
            when gap_direction = 'down' then 'short'
            else 'none'
        end as direction,
        case
            when abs(gap_pct) >= full_gap_pct then 100
            else round(100 * abs(gap_pct) / full_gap_pct, {{ score_decimals() }})
        end as score,
        case
            when gap_pct is null then 'missing_daily_history'
            when gap_direction is null then 'no_gap'
            when abs(gap_pct) < min_gap_pct then 'gap_too_small'
            when is_filled_by_cutoff then 'gap_filled'
        end as rejected_by
    from gaps
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
        prior_close,
        gap_pct,
        gap_direction,
        is_filled_by_cutoff,
        change_pct,
        relative_volume,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
