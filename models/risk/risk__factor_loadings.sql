{#- the fraction of a variance that rounding leaves if earlier symbols explain all of it -#}
{%- set rounding = 1e-12 -%}

with recursive

portfolios as (
    select * from {{ ref('portfolios') }}
),

weights as (
    select * from {{ ref('risk__held_weights') }}
),

symbol_returns as (
    select * from {{ ref('risk__symbol_returns') }}
),

lookbacks as (
    select distinct lookback_sessions
    from {{ ref('var_settings') }}
    where method = 'monte_carlo'
),

held_pairs as (
    select
        portfolio,
        session_date,
        portfolios.calendar,
        one.symbol,
        one.weight,
        other.symbol as other_symbol
    from weights as one
    inner join weights as other using (portfolio, session_date)
    inner join portfolios using (portfolio)
    where one.symbol >= other.symbol
),

pairs as (
    select distinct
        calendar,
        symbol,
        other_symbol
    from held_pairs
),

pair_returns as (
    select
        pairs.calendar,
        pairs.symbol,
        pairs.other_symbol,
        one.session_date,
        {{ to_decimal('one.symbol_return') }} as symbol_return,
        {{ to_decimal('other.symbol_return') }} as other_return,
        {{ to_decimal('one.symbol_return * other.symbol_return') }} as product
    from pairs
    inner join symbol_returns as one
        on pairs.symbol = one.symbol
            and pairs.calendar = one.calendar
    inner join symbol_returns as other
        on pairs.other_symbol = other.symbol
            and one.calendar = other.calendar
            and one.session_date = other.session_date
),

pair_sums as (
    select
        pair_returns.calendar,
        pair_returns.symbol,
        pair_returns.other_symbol,
        pair_returns.session_date,
        lookbacks.lookback_sessions,
        count(pair_returns.product) over past as return_count,
        (sum(pair_returns.symbol_return) over past)::double as symbol_sum,
        (sum(pair_returns.other_return) over past)::double as other_sum,
        (sum(pair_returns.product) over past)::double as product_sum
    from pair_returns
    cross join lookbacks
    window
        past as (
            partition by
                pair_returns.calendar, pair_returns.symbol, pair_returns.other_symbol,
                lookbacks.lookback_sessions
            order by pair_returns.session_date
            rows between lookback_sessions preceding and 1 preceding
        )
),

covariances as (
    select
        calendar,
        symbol,
        other_symbol,
        session_date,
        lookback_sessions,
        if(
            return_count = lookback_sessions,
            (product_sum - symbol_sum * other_sum / lookback_sessions) / (lookback_sessions - 1),
            null
        ) as covariance
    from pair_sums
),

-- the lower half of a portfolio's covariance matrix, row by row; a pair without a covariance stays
-- in its row, so that the row does not look complete without it
matrix_rows as (
    select
        held_pairs.portfolio,
        held_pairs.session_date,
        lookbacks.lookback_sessions,
        held_pairs.symbol,
        any_value(held_pairs.weight) as weight,
        list(covariances.covariance order by held_pairs.other_symbol) as covariances,
        count(covariances.covariance) = count(*) as is_complete
    from held_pairs
    cross join lookbacks
    left join covariances
        on held_pairs.calendar = covariances.calendar
            and held_pairs.symbol = covariances.symbol
            and held_pairs.other_symbol = covariances.other_symbol
            and held_pairs.session_date = covariances.session_date
            and lookbacks.lookback_sessions = covariances.lookback_sessions
    group by
        held_pairs.portfolio,
        held_pairs.session_date,
        lookbacks.lookback_sessions,
        held_pairs.symbol
),

matrices as (
    select
        portfolio,
        session_date,
        lookback_sessions,
        list(covariances order by symbol) as covariances,
        list(weight order by symbol) as weights,
        count(*) as symbol_count
    from matrix_rows
    group by portfolio, session_date, lookback_sessions
    having bool_and(is_complete and weight is not null)
),

-- the Cholesky factor, one column per step
factors as (
    select
        portfolio,
        session_date,
        lookback_sessions,
        covariances,
        weights,
        symbol_count,
        0 as column_count,
        list_transform(covariances, lambda covariance: []::double[]) as factor
    from matrices
    union all
    select
        portfolio,
        session_date,
        lookback_sessions,
        covariances,
        weights,
        symbol_count,
        column_count + 1 as column_count,
        {{ cholesky_step('covariances', 'factor', 'column_count + 1', rounding) }} as factor
    from factors
    where column_count < symbol_count
),

final as (
    select
        portfolio,
        session_date,
        lookback_sessions,
        list_transform(
            range(1, symbol_count + 1),
            lambda factor_number: list_sum(list_transform(
                range(factor_number, symbol_count + 1),
                lambda number: weights[number] * factor[number][factor_number]
            ))
        ) as loadings
    from factors
    where column_count = symbol_count
)

select * from final
order by portfolio, lookback_sessions, session_date
