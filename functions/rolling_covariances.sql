{#-
    Totals to date, from which each return is taken out again when it leaves the window. Symbols are
    taken in tiles of five, a column each, and every tile is paired with every tile: a row then has
    25 products, and running totals need no sorting and keep no rows. A pair of tiles ends with as
    many empty sessions as the window has, in which its last returns leave the totals, so that those
    of the next pair start at zero. `lag` and frames with a parameter would do the same, but are not
    read by DuckDB before 2.0 (macros/dbt/query_as_text.sql).
-#}
{%- set tile = 5 -%}
{%- set sides = ['one', 'other'] -%}

{%- set to_date = 'over (rows between unbounded preceding and current row)' -%}
{%- set last = tile - 1 -%}

{%- set total_return_closes = ref('bars__total_return_closes').include(database=false) -%}
{%- set problems %}
        select
            'there is no symbol ''' || wanted || ''''
            || coalesce(
                '; did you mean ''' || {{ nearest_name('wanted', 'symbol') | indent(16) }} || '''?',
                ''
            ) as problem
        from (select unnest(p_symbols) as wanted)
        cross join (select distinct symbol from {{ total_return_closes }})
        where wanted not in (select symbol from {{ total_return_closes }})
        group by wanted
        union all
        select 'a window is a whole number of sessions from 2 on, not ' || p_window_sessions
        where not (p_window_sessions::double >= 2 and p_window_sessions::double % 1 = 0)
{%- endset %}

with

closes as (
    select
        symbol,
        session_date,
        total_return_close
    from {{ total_return_closes }}
    where symbol in (select unnest(p_symbols) where {{ no_problem(problems) | indent }})
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
    union all
    select
        null,
        count(distinct session_date) + unnest(range(1, p_window_sessions::integer + 1))
    from closes
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

-- each return with the one that leaves the window
changes as (
    select
        entering.tile,
        entering.session_number,
        entering.session_date
        {%- for i in range(tile) %},
        entering.return_{{ i }},
        leaving.return_{{ i }} as left_{{ i }}
        {%- endfor %}
    from returns as entering
    left join returns as leaving
        on
            entering.tile = leaving.tile
            and entering.session_number = leaving.session_number + p_window_sessions::integer
),

pairs as (
    select
        one.tile as one_tile,
        other.tile as other_tile,
        one.session_number,
        one.session_date
        {%- for side in sides %}
        {%- for i in range(tile) %},
        {{ side }}.return_{{ i }} as {{ side }}_{{ i }},
        {{ side }}.left_{{ i }} as {{ side }}_left_{{ i }}
        {%- endfor %}
        {%- endfor %}
    from changes as one
    inner join changes as other on one.session_number = other.session_number
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
        sum(coalesce({{ side }}_{{ i }}, 0) - coalesce({{ side }}_left_{{ i }}, 0)) {{ to_date }}
            as {{ side }}_sum_{{ i }},
        sum(
            ({{ side }}_{{ i }} is not null)::integer
            - ({{ side }}_left_{{ i }} is not null)::integer
        ) {{ to_date }} as {{ side }}_count_{{ i }}
        {%- endfor %}
        {%- endfor %}
        {%- for i in range(tile) %}
        {%- for j in range(tile) %},
        sum(
            coalesce(one_{{ i }} * other_{{ j }}, 0)
            - coalesce(one_left_{{ i }} * other_left_{{ j }}, 0)
        ) {{ to_date }} as product_{{ i }}_{{ j }}
        {%- endfor %}
        {%- endfor %}
    from pairs
),

windows as (
    select
        one_tile,
        other_tile,
        session_date
        {%- for side in sides %}
        {%- for i in range(tile) %},
        case when {{ side }}_count_{{ i }} = p_window_sessions then {{ side }}_sum_{{ i }} end
            as {{ side }}_sum_{{ i }}
        {%- endfor %}
        {%- endfor %}
        {%- for i in range(tile) %}
        {%- for j in range(tile) %},
        product_{{ i }}_{{ j }}
        {%- endfor %}
        {%- endfor %}
    from totals
    -- the first session has no return
    where session_number > p_window_sessions and session_date is not null
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
