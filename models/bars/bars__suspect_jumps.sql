with

days as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

explained_jumps as (
    select * from {{ ref('explained_jumps') }}
),

changes as (
    select
        symbol,
        session_date,
        lag(session_date) over (partition by symbol order by session_date) as prior_session_date,
        lag(close * adjustment_factor_total) over (partition by symbol order by session_date)
        / adjustment_factor_total as prior_close,
        open,
        close,
        source
    from days
),

jumps as (
    select
        *,
        close / prior_close as close_ratio,
        greatest(close / prior_close, prior_close / close) as jump_ratio
    from changes
    where prior_close is not null
),

final as (
    select
        symbol,
        session_date,
        prior_session_date,
        prior_close,
        open,
        close,
        close_ratio,
        jump_ratio,
        -- 2 is two new shares for one, 1.5 is three for two
        round(2 * jump_ratio) / 2 as nearest_split,
        abs(jump_ratio / (round(2 * jump_ratio) / 2) - 1) * 100 as nearest_split_error_pct,
        explained_jumps.explanation,
        jumps.source
    from jumps
    left join explained_jumps using (symbol, session_date)
    where jump_ratio >= {{ var('min_jump_ratio') }}
)

select * from final
order by symbol, session_date
