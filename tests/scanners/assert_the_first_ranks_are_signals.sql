-- A candidate within its preset's max_signals is not a signal, or one beyond it is.
with

signals as (
    select * from {{ ref('scanners__signals') }}
),

expected as (
    {%- for scanner in signal_scanners() %}
    select
        '{{ scanner }}' as scanner,
        candidates.preset,
        candidates.session_date,
        candidates.symbol
    from {{ ref('scanners__' ~ scanner) }} as candidates
    inner join {{ ref(scanner ~ '_presets') }} as presets using (preset)
    where candidates.signal_rank <= presets.max_signals
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    scanner,
    preset,
    session_date,
    symbol
from expected
full join signals using (scanner, preset, session_date, symbol)
where expected.symbol is null or signals.symbol is null
