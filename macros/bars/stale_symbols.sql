{% macro stale_symbols(built_to) -%}
select
    days.symbol,
    coalesce(
        min(days.session_date) filter (where days.version_changed_in > built.built_to),
        'infinity'::date
    ) as stale_from,
    -- a weekly bar is made of all its days, and exists once the week is over
    date_trunc('week', min(days.session_date))::date as stale_week_from
from {{ ref('bars__day_changes') }} as days
cross join (select {{ built_to }} as built_to) as built
where days.changed_in > built.built_to
group by days.symbol
{%- endmacro %}
