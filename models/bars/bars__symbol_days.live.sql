-- known until now, in shares as traded today, in a week that is not over
select
    days.symbol,
    days.session_date,
    days.calendar,
    (select now from live.clock) as known_until,
    1::bigint as delivery_count,
    false as is_contested,
    coalesce(factors.adjustment_factor, 1)::double as adjustment_factor,
    coalesce(factors.adjustment_factor_total, 1)::double as adjustment_factor_total,
    false as is_week_over,
    1::ubigint as version
from bars.delivered_days as days
asof left join bars.adjustment_factors as factors
    on days.symbol = factors.symbol and days.session_date >= factors.effective_from
