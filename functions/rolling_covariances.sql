{#-
    Totals since the start, less what they were a window ago. Symbols are taken in tiles of five, a
    column each, and every tile is paired with every tile: a row then has 25 products, and running
    totals need no sorting and keep no rows. The totals simply run on from one pair of tiles to the
    next, because a difference cancels what came before.
-#}
{%- set tile = 5 -%}
{%- set sides = ['one', 'other'] -%}

{%- set to_date = 'over (rows between unbounded preceding and current row)' -%}
{#- Before the first return all values are null, and so is their sum. -#}
{%- set a_window_ago = 'p_window_sessions::integer) over (), 0)' -%}
{%- set last = tile - 1 -%}

with

closes as (
    select
        symbol,
        session_date,
        total_return_close
    from {{ ref('bars__total_return_closes').include(database=false) }}
    where symbol in (select unnest(p_symbols))
),

members as (
    select
        symbol,
        row_number() over (order by symbol) - 1 as place
    from (select distinct symbol from closes)
),

sessions as (
    select
        session_date,
        row_number() over (order by session_date) as session_number
    from (select distinct session_date from closes)
),

tiles as (
    select
        members.place // {{ tile }} as tile,
        sessions.session_number,
        sessions.session_date
        {%- for i in range(tile) %},
        max(closes.total_return_close) filter (where members.place % {{ tile }} = {{ i }})
            as close_{{ i }}
        {%- endfor %}
    from sessions
    cross join members
    left join closes
        on sessions.session_date = closes.session_date and members.symbol = closes.symbol
    group by tile, sessions.session_number, sessions.session_date
),

returns as (
    select
        tile,
        session_number,
        session_date
        {%- for i in range(tile) %},
        close_{{ i }} / lag(close_{{ i }}) over in_order - 1 as return_{{ i }}
        {%- endfor %}
    from tiles
    window in_order as (partition by tile order by session_number)
),

pairs as (
    select
        one.tile as one_tile,
        other.tile as other_tile,
        one.session_number,
        one.session_date
        {%- for side in sides %}
        {%- for i in range(tile) %},
        {{ side }}.return_{{ i }} as {{ side }}_{{ i }}
        {%- endfor %}
        {%- endfor %}
    from returns as one
    inner join returns as other on one.session_number = other.session_number
    where one.tile <= other.tile
    order by one.tile, other.tile, one.session_number
),

totals as (
    select
        one_tile,
        other_tile,
        session_number,
        session_date
        {%- for side in sides %}
        {%- for i in range(tile) %},
        sum({{ side }}_{{ i }}) {{ to_date }} as {{ side }}_sum_{{ i }},
        count({{ side }}_{{ i }}) {{ to_date }} as {{ side }}_count_{{ i }}
        {%- endfor %}
        {%- endfor %}
        {%- for i in range(tile) %}
        {%- for j in range(tile) %},
        sum(one_{{ i }} * other_{{ j }}) {{ to_date }} as product_{{ i }}_{{ j }}
        {%- endfor %}
        {%- endfor %}
    from pairs
),

windows as (
    select
        one_tile,
        other_tile,
        session_number,
        session_date
        {%- for side in sides %}
        {%- for i in range(tile) %},
        case
            when {{ side }}_count_{{ i }} - coalesce(lag({{ side }}_count_{{ i }}, {{ a_window_ago }} = p_window_sessions
                then {{ side }}_sum_{{ i }} - coalesce(lag({{ side }}_sum_{{ i }}, {{ a_window_ago }}
        end as {{ side }}_sum_{{ i }}
        {%- endfor %}
        {%- endfor %}
        {%- for i in range(tile) %}
        {%- for j in range(tile) %},
        product_{{ i }}_{{ j }} - coalesce(lag(product_{{ i }}_{{ j }}, {{ a_window_ago }}
            as product_{{ i }}_{{ j }}
        {%- endfor %}
        {%- endfor %}
    from totals
),

covariances as (
    select
        session_date,
        {{ tile }} * one_tile + unnest([
            {%- for i in range(tile) %}{% for j in range(tile) %}{{ i }}{{ ', ' if (i, j) != (last, last) }}{% endfor %}{% endfor -%}
        ]) as place,
        {{ tile }} * other_tile + unnest([
            {%- for i in range(tile) %}{% for j in range(tile) %}{{ j }}{{ ', ' if (i, j) != (last, last) }}{% endfor %}{% endfor -%}
        ]) as other_place,
        unnest([
            {%- for i in range(tile) %}{% for j in range(tile) %}
            (product_{{ i }}_{{ j }} - one_sum_{{ i }} * other_sum_{{ j }} / p_window_sessions)
            / (p_window_sessions - 1){{ ',' if (i, j) != (last, last) }}
            {%- endfor %}{% endfor %}
        ]) as covariance
    from windows
    -- the first session has no return
    where session_number > p_window_sessions
)

select
    covariances.session_date,
    members.symbol,
    others.symbol as other_symbol,
    covariances.covariance
from covariances
inner join members on covariances.place = members.place
inner join members as others on covariances.other_place = others.place
where covariances.place <= covariances.other_place
