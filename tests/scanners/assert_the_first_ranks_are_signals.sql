-- A candidate whose rank its preset wants is no signal, or one that it does not want is.
with

signals as (
    select * from {{ ref('scanners__signals') }}
),

wanted as (
    {%- for scanner in scanners() %}
    select
        '{{ scanner.scanner }}' as scanner,
        candidates.preset,
        candidates.session_date,
        candidates.symbol
    from {{ ref(scanner.package, scanner.model) }} as candidates
    inner join {{ ref(scanner.presets_package, scanner.presets) }} as presets using (preset)
    where candidates.signal_rank <= presets.max_signals
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    scanner,
    preset,
    session_date,
    symbol
from wanted
full join signals using (scanner, preset, session_date, symbol)
where wanted.symbol is null or signals.symbol is null
