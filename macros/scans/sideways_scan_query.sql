{% macro sideways_scan_query(presets, session_to_cutoff, expected_volumes, last_five_minutes) -%}
{#- Computed from adjusted prices: rounded, so that a later split does not move the last bit. -#}
{%- set indicator_decimals = 6 -%}
{%- set conditions = [
    'has_small_range',
    'has_no_trend',
    'is_near_vwap',
    'has_flat_obv',
    'has_low_volume',
] -%}

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

last_five_minutes as (
    select * from {{ last_five_minutes }}
),

measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        round(last_five_minutes.natr_14, {{ indicator_decimals }}) as natr_14,
        round(last_five_minutes.adx_14, {{ indicator_decimals }}) as adx_14,
        {{ difference_pct(
            'to_cutoff.last_price', 'to_cutoff.vwap_to_cutoff', 'to_cutoff.vwap_to_cutoff'
        ) }}
            as vwap_distance_pct,
        round(
            (to_cutoff.obv_to_cutoff - to_cutoff.mean_obv_to_cutoff)
            / nullif(to_cutoff.volume_to_cutoff, 0), {{ indicator_decimals }}
        ) as obv_deviation_ratio,
        expected_volumes.relative_volume,
        expected_volumes.history_count
    from to_cutoff
    inner join presets using (cutoff_time)
    left join last_five_minutes using (symbol, session_date, cutoff_time)
    {{ with_expected_volumes() }}
),

conditions_met as (
    select
        *,
        natr_14 < max_natr_14 as has_small_range,
        adx_14 < max_adx_14 as has_no_trend,
        abs(vwap_distance_pct) <= max_vwap_distance_pct as is_near_vwap,
        abs(obv_deviation_ratio) < max_obv_deviation_ratio as has_flat_obv,
        relative_volume < max_relative_volume as has_low_volume
    from measures
),

counts as (
    select
        *,
        {%- for condition in conditions %}
        {{ '+ ' if not loop.first }}{{ condition }}::integer
        {%- endfor %} as condition_count
    from conditions_met
),

checked as (
    select
        *,
        round(
            100 * condition_count / {{ conditions | length }}, {{ score_decimals() }}
        ) as score,
        case
            when history_count is null or history_count < min_history_sessions
                then 'missing_volume_history'
            when relative_volume is null then 'no_volume_in_history'
            when obv_deviation_ratio is null or vwap_distance_pct is null then 'no_volume_by_cutoff'
            when natr_14 is null or adx_14 is null then 'missing_indicator'
            when condition_count < min_conditions then 'too_few_conditions'
        end as rejected_by
    from counts
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        last_price,
        natr_14,
        adx_14,
        vwap_distance_pct,
        obv_deviation_ratio,
        relative_volume,
        has_small_range,
        has_no_trend,
        is_near_vwap,
        has_flat_obv,
        has_low_volume,
        condition_count,
        score,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
