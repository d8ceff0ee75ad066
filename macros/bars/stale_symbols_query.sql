{% macro stale_symbols_query(built_through) -%}
select
    days.symbol,
    coalesce(
        min(days.session_date) filter (where days.version_changed_in > built.built_through),
        'infinity'::date
    ) as stale_from,
    -- a weekly bar is made of all its days, and exists once the week is over
    date_trunc('week', min(days.session_date))::date as stale_week_from
from {{ ref('bars__day_changes') }} as days
cross join (select {{ built_through }} as built_through) as built
where days.changed_in > built.built_through
group by days.symbol
{%- endmacro %}

{% macro get_incremental_stale_bars_sql(arguments) -%}
{%- set bars = arguments.target_relation -%}
delete from {{ bars }}
using ({{ stale_symbols_query(built_through(['bars__ohlcv', 'bars__rejected'])) }}) as stale
where
    {{ bars }}.symbol = stale.symbol
    and {{ bars }}.session_date
    >= if({{ bars }}.timeframe = '1w', stale.stale_week_from, stale.stale_from);

-- unreadable rows have no symbol, and each build writes all of them again
delete from {{ bars }} where symbol is null
{%- endmacro %}
