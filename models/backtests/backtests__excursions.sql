{#-
    Prices are signed by direction: those of a short are negative, so that higher is better for
    both. The first touch of a level is then the first bar that reaches as far, and only a bar that
    reaches farther than all bars before it can be that one.
-#}

with

minutes as (
    select * from {{ ref('backtests__minutes') }}
    where not is_locked
),

-- numbered, since the windows below sort by one number faster than by three columns
entries as (
    select
        symbol,
        session_date,
        known_ts,
        direction,
        row_number() over (order by symbol, known_ts, direction) as path_number
    from {{ ref('backtests__entries') }}
    group by symbol, session_date, known_ts, direction
),

paths as (
    select
        entries.path_number,
        minutes.bar_ts,
        minutes.bar_end,
        if(entries.direction = 'long', minutes.open, -minutes.open) as opening,
        if(entries.direction = 'long', minutes.high, -minutes.low) as favorable,
        if(entries.direction = 'long', minutes.low, -minutes.high) as adverse
    from entries
    inner join minutes using (symbol, session_date)
    where minutes.bar_ts >= entries.known_ts
),

reaches as (
    select
        *,
        max(favorable) over bars_before as best_before,
        min(adverse) over bars_before as worst_before,
        lag(favorable) over bars as prior_favorable,
        lag(adverse) over bars as prior_adverse,
        coalesce(best_before, opening) as trailed_from,
        {{ difference_pct('trailed_from', 'adverse', 'abs(trailed_from)') }} as fall_pct,
        round(trailed_from - adverse, 6) as fall_amount
    from paths
    window
        bars as (partition by path_number order by bar_ts),
        bars_before as (
            partition by path_number
            order by bar_ts
            rows between unbounded preceding and 1 preceding
        )
),

-- a bar that is no worse than the one before falls farther only from a new best price
compared as (
    select
        *,
        max(fall_pct) over bars_before as fall_pct_before,
        max(fall_amount) over bars_before as fall_amount_before
    from reaches
    where
        best_before is null
        or favorable > best_before
        or prior_favorable >= best_before
        or adverse < prior_adverse
    window
        bars_before as (
            partition by path_number
            order by bar_ts
            rows between unbounded preceding and 1 preceding
        )
),

records as (
    select
        *,
        'adverse' as kind,
        adverse as reach
    from compared
    where worst_before is null or adverse < worst_before
    union all
    select
        *,
        'favorable' as kind,
        favorable as reach
    from compared
    where best_before is null or favorable > best_before
    union all
    select
        *,
        'fall_pct' as kind,
        fall_pct as reach
    from compared
    where fall_pct > coalesce(fall_pct_before, 0)
    union all
    select
        *,
        'fall_amount' as kind,
        fall_amount as reach
    from compared
    where fall_amount > coalesce(fall_amount_before, 0)
),

final as (
    select
        entries.symbol,
        entries.known_ts,
        entries.direction,
        records.kind,
        records.bar_ts,
        records.bar_end,
        records.reach,
        records.opening,
        records.adverse,
        records.trailed_from
    from records
    inner join entries using (path_number)
)

select * from final
order by symbol, known_ts, direction, kind, bar_ts
