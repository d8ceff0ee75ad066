with

portfolios as (
    select * from {{ ref('portfolios') }}
),

next_sessions as (
    select * from {{ ref('risk__next_sessions') }}
),

weights as (
    select * from {{ ref('risk__held_weights') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

windows as (
    select * from {{ ref('stress_windows') }}
),

shocks as (
    select * from {{ ref('stress_shocks') }}
),

positions as (
    select
        portfolio,
        weights.session_date,
        portfolios.calendar,
        weights.symbol,
        instruments.sector,
        weights.weight
    from weights
    inner join next_sessions using (portfolio)
    inner join portfolios using (portfolio)
    left join instruments using (symbol)
    where weights.session_date = next_sessions.next_session_date
),

-- the last session on or before each end of the window
window_sessions as (
    select
        windows.scenario,
        sessions.calendar,
        max(sessions.session_date) filter (where sessions.session_date <= windows.first_date)
            as first_date,
        max(sessions.session_date) as last_date
    from windows
    inner join sessions on windows.last_date >= sessions.session_date
    group by windows.scenario, sessions.calendar
),

past_moves as (
    select
        positions.portfolio,
        windows.scenario,
        positions.symbol,
        last_closes.total_return_close / first_closes.total_return_close - 1 as move_return
    from positions
    cross join windows
    left join window_sessions
        on windows.scenario = window_sessions.scenario
            and positions.calendar = window_sessions.calendar
    left join closes as first_closes
        on positions.symbol = first_closes.symbol
            and window_sessions.first_date = first_closes.session_date
    left join closes as last_closes
        on positions.symbol = last_closes.symbol
            and window_sessions.last_date = last_closes.session_date
),

scenarios as (
    select
        scenario,
        bool_or(scope = 'sector') as has_sectors,
        max(shock_return) filter (where scope = 'all') as shock_of_all
    from shocks
    group by scenario
),

-- a shock to a symbol takes precedence over one to its sector, and that over one to all
shock_moves as (
    select
        positions.portfolio,
        scenarios.scenario,
        positions.symbol,
        coalesce(
            of_symbols.shock_return,
            of_sectors.shock_return,
            if(
                scenarios.has_sectors and positions.sector is null,
                null,
                coalesce(scenarios.shock_of_all, 0)
            )
        ) as move_return
    from positions
    cross join scenarios
    left join shocks as of_symbols
        on scenarios.scenario = of_symbols.scenario
            and of_symbols.scope = 'symbol'
            and positions.symbol = of_symbols.name
    left join shocks as of_sectors
        on scenarios.scenario = of_sectors.scenario
            and of_sectors.scope = 'sector'
            and positions.sector = of_sectors.name
),

moves as (
    select
        *,
        'window' as kind
    from past_moves
    union all
    select
        *,
        'shock' as kind
    from shock_moves
),

final as (
    select
        portfolio,
        positions.session_date,
        moves.scenario,
        moves.kind,
        symbol,
        positions.weight,
        moves.move_return,
        0 - positions.weight * moves.move_return as loss_return
    from positions
    inner join moves using (portfolio, symbol)
)

select * from final
order by portfolio, kind, scenario, symbol
