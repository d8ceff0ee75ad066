{% macro technical_scan_query(presets, session_to_cutoff, expected_volumes, prior_sessions) -%}
{#- Computed from adjusted prices: rounded, so that a later split does not move the last bit. -#}
{%- set indicator_decimals = 6 -%}
{%- set rules = ['rsi', 'macd', 'ema', 'bollinger', 'supertrend'] -%}

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

-- prices in shares as traded on the day of the scan
measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        round(prior_sessions.rsi_14, {{ indicator_decimals }}) as rsi_14,
        {{ difference_pct(
            'prior_sessions.macd_histogram_12_26_9', '0', 'prior_sessions.adjusted_close'
        ) }}
            as histogram_pct,
        {{ difference_pct(
            'prior_sessions.macd_histogram_12_26_9_before',
            '0',
            'prior_sessions.adjusted_close_before'
        ) }}
            as histogram_before_pct,
        round(
            prior_sessions.ema_20 / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as ema_20,
        round(
            prior_sessions.ema_50 / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as ema_50,
        round(
            prior_sessions.bollinger_lower_20 / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as bollinger_lower_20,
        round(
            prior_sessions.bollinger_upper_20 / to_cutoff.adjustment_factor, {{ price_decimals() }}
        ) as bollinger_upper_20,
        round(prior_sessions.adx_14, {{ indicator_decimals }}) as adx_14,
        prior_sessions.supertrend_direction_10 as supertrend_direction,
        {{ relative_volume_or_null() }} as relative_volume
    from to_cutoff
    inner join presets using (cutoff_time)
    left join prior_sessions using (symbol, session_date)
    {{ with_expected_volumes() }}
),

trends as (
    select
        *,
        adx_14 >= min_trend_adx as is_trend
    from measures
),

votes as (
    select
        *,
        case
            when rsi_14 <= max_oversold_rsi then 1
            when rsi_14 >= min_overbought_rsi then -1
            when rsi_14 is not null then 0
        end as rsi_vote,
        case
            when histogram_before_pct is null then null
            when sign(histogram_pct) = sign(histogram_before_pct) then 0
            when abs(histogram_pct) >= min_histogram_pct then sign(histogram_pct)
            when abs(histogram_pct) < min_histogram_pct then 0
        end as macd_vote,
        -- trend-following rules vote only in a trend
        case
            when is_trend then sign(ema_20 - ema_50)
            when not is_trend and ema_50 is not null then 0
        end as ema_vote,
        case
            when last_price <= bollinger_lower_20 then 1
            when last_price >= bollinger_upper_20 then -1
            when bollinger_upper_20 is not null then 0
        end as bollinger_vote,
        case
            when is_trend then sign(supertrend_direction)
            when not is_trend and supertrend_direction is not null then 0
        end as supertrend_vote
    from trends
),

vote_sums as (
    select
        *,
        {%- for rule in rules %}
        {{ '+ ' if not loop.first }}{{ rule }}_vote
        {%- endfor %} as vote_sum
    from votes
),

agreements as (
    select
        *,
        {%- for rule in rules %}
        {{ '+ ' if not loop.first }}(vote_sum != 0 and {{ rule }}_vote = sign(vote_sum))::integer
        {%- endfor %} as agreeing_rules
    from vote_sums
),

checked as (
    select
        *,
        case sign(vote_sum)
            when 1 then 'long'
            when -1 then 'short'
            else 'none'
        end as direction,
        round(100 * agreeing_rules / {{ rules | length }}, {{ score_decimals() }}) as score,
        case
            when vote_sum is null then 'missing_indicator'
            when last_price < min_price or last_price > max_price then 'price_out_of_bounds'
            when direction = 'none' then 'no_direction'
            when score < min_score then 'score_too_low'
        end as rejected_by
    from agreements
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
        rsi_14,
        histogram_pct,
        histogram_before_pct,
        ema_20,
        ema_50,
        bollinger_lower_20,
        bollinger_upper_20,
        adx_14,
        is_trend,
        relative_volume,
        rsi_vote::integer as rsi_vote,
        macd_vote::integer as macd_vote,
        ema_vote::integer as ema_vote,
        bollinger_vote::integer as bollinger_vote,
        supertrend_vote::integer as supertrend_vote,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
