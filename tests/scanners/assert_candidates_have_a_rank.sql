-- A candidate has no rank, so it can be no signal, or a rejected symbol has one.
with

unranked as (
    {%- for scanner in signal_scanners() %}
    select
        '{{ scanner }}' as scanner,
        preset,
        session_date,
        symbol,
        signal_rank,
        rejected_by
    from {{ ref('scanners__' ~ scanner) }}
    where (signal_rank is null) = (rejected_by is null)
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from unranked
