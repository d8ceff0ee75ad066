{%- set price_decimals = 6 -%}
{%- set crp_code = code_checksum(['scanners__crp', 'scanners__crp_scores']) -%}
{%- set breakout_code = code_checksum(['scanners__breakout', 'scanners__breakout_scores']) -%}

with

crp as (
    select * from {{ ref('scanners__crp') }}
),

crp_presets as (
    select
        *,
        to_json(presets)::varchar as preset_row
    from {{ ref('crp_presets') }} as presets -- noqa: AL05
),

breakout as (
    select * from {{ ref('scanners__breakout') }}
),

breakout_presets as (
    select
        *,
        to_json(presets)::varchar as preset_row
    from {{ ref('breakout_presets') }} as presets -- noqa: AL05
),

publication as (
    select * from {{ ref('bars__data_version') }}
),

candidates as (
    select
        'crp' as scanner,
        crp.preset,
        crp.session_date,
        crp.cutoff_time,
        crp.symbol,
        crp.calendar,
        crp.direction,
        crp.crp_score as score,
        crp.signal_rank,
        crp.crp_price as entry_price,
        crp_presets.stop_loss_pct,
        crp_presets.take_profit_pct,
        crp_presets.position_pct,
        crp_presets.exit_time,
        to_json({
            'close_position': crp.close_position,
            'range_pct': crp.range_pct,
            'momentum_pct': crp.momentum_pct,
            'relative_volume': crp.relative_volume,
            'close_score': crp.close_score,
            'range_score': crp.range_score,
            'volume_score': crp.volume_score,
            'momentum_score': crp.momentum_score
        })::varchar as evidence,
        md5(crp_presets.preset_row || '{{ crp_code }}') as scanner_version
    from crp
    inner join crp_presets using (preset)
    where crp.signal_rank <= crp_presets.max_signals
    union all
    select
        'breakout' as scanner,
        breakout.preset,
        breakout.session_date,
        breakout.cutoff_time,
        breakout.symbol,
        breakout.calendar,
        breakout.direction,
        breakout.score,
        breakout.signal_rank,
        breakout.breakout_price as entry_price,
        breakout_presets.stop_loss_pct,
        breakout_presets.take_profit_pct,
        breakout_presets.position_pct,
        breakout_presets.exit_time,
        to_json({
            'resistance': breakout.resistance,
            'support': breakout.support,
            'breakout_pct': breakout.breakout_pct,
            'consolidation_pct': breakout.consolidation_pct,
            'momentum_pct': breakout.momentum_pct,
            'relative_volume': breakout.relative_volume,
            'prior_day_break': breakout.prior_day_break,
            'gapped': breakout.gapped,
            'breakout_score': breakout.breakout_score,
            'volume_score': breakout.volume_score,
            'momentum_score': breakout.momentum_score
        })::varchar as evidence,
        md5(breakout_presets.preset_row || '{{ breakout_code }}') as scanner_version
    from breakout
    inner join breakout_presets using (preset)
    where breakout.signal_rank <= breakout_presets.max_signals
),

final as (
    select
        md5(
            concat_ws(
                '|',
                candidates.scanner,
                candidates.preset,
                candidates.session_date,
                candidates.cutoff_time,
                candidates.symbol
            )
        ) as signal_id,
        candidates.scanner,
        candidates.preset,
        candidates.session_date,
        candidates.session_date + candidates.cutoff_time::time as known_at,
        candidates.symbol,
        candidates.calendar,
        candidates.direction,
        candidates.score,
        candidates.signal_rank,
        candidates.entry_price,
        round(
            candidates.entry_price * if(
                candidates.direction = 'long',
                1 - candidates.stop_loss_pct / 100,
                1 + candidates.stop_loss_pct / 100
            ), {{ price_decimals }}
        ) as stop_price,
        round(
            candidates.entry_price * if(
                candidates.direction = 'long',
                1 + candidates.take_profit_pct / 100,
                1 - candidates.take_profit_pct / 100
            ), {{ price_decimals }}
        ) as target_price,
        candidates.position_pct,
        candidates.exit_time,
        candidates.evidence,
        candidates.scanner_version,
        publication.data_version
    from candidates
    cross join publication
)

select * from final
order by session_date, known_at, scanner, preset, signal_rank
