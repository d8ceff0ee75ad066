with

symbol_returns as (
    select * from {{ ref('risk__symbol_returns') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

weights as (
    select * from {{ ref('risk__held_weights') }}
),

settings as (
    select distinct
        if(method = 'normal', 'sample', method) as method,
        lookback_sessions
    from {{ ref('var_settings') }}
    where method in ('normal', 'ewma')
),

next_sessions as (
    select
        calendar,
        max(session_date) as session_date
    from symbol_returns
    group by calendar
),

-- symbols that traded in the last session of their calendar, if they can be bought or are held
tradable_symbols as (
    select
        symbol,
        calendar,
        session_date
    from symbol_returns
    inner join next_sessions using (calendar, session_date)
    left join instruments using (symbol)
    where instruments.kind = 'share' or symbol in (select weights.symbol from weights)
),

past_returns as (
    select
        tradable_symbols.symbol,
        tradable_symbols.calendar,
        tradable_symbols.session_date,
        symbol_returns.symbol_return,
        row_number() over (
            partition by tradable_symbols.symbol
            order by symbol_returns.session_date desc
        ) as age_sessions
    from tradable_symbols
    inner join symbol_returns using (symbol, calendar)
    where symbol_returns.session_date < tradable_symbols.session_date
),

in_lookback as (
    select
        past_returns.symbol,
        past_returns.calendar,
        past_returns.session_date,
        settings.method,
        settings.lookback_sessions,
        past_returns.age_sessions,
        past_returns.symbol_return,
        {{ exact_mean('past_returns.symbol_return', 'over lookback', 20) }} as mean,
        count(past_returns.symbol_return) over lookback as return_count
    from past_returns
    inner join settings on past_returns.age_sessions <= settings.lookback_sessions
    window
        lookback as (
            partition by past_returns.symbol, settings.method, settings.lookback_sessions
        )
),

-- scaled so that the dot product with another symbol's list is their covariance; a dot product
-- takes no NULL, so a missing return is 0 here, and its whole list becomes NULL
deviations as (
    select
        symbol,
        calendar,
        session_date,
        method,
        lookback_sessions,
        if(
            any_value(return_count) = lookback_sessions,
            list(
                if(
                    method = 'sample',
                    coalesce(symbol_return - mean, 0) / sqrt(lookback_sessions - 1),
                    coalesce(symbol_return, 0) * sqrt(
                        pow({{ var('ewma_decay') }}, age_sessions - 1)
                        * (1 - {{ var('ewma_decay') }})
                        / (1 - pow({{ var('ewma_decay') }}, lookback_sessions))
                    )
                )
                order by age_sessions
            ),
            null
        ) as deviations
    from in_lookback
    group by symbol, calendar, session_date, method, lookback_sessions
),

final as (
    select
        one.symbol,
        other.symbol as other_symbol,
        calendar,
        session_date,
        method,
        lookback_sessions,
        list_dot_product(one.deviations, other.deviations) as covariance
    from deviations as one
    inner join deviations as other using (calendar, session_date, method, lookback_sessions)
)

select * from final
order by method, lookback_sessions, symbol, other_symbol
