{% macro scanner_signals(scanner) -%}
{#- The evidence is every column of the scanner that not all scanners have. -#}
{%- set candidates = ref('scanners__' ~ scanner) -%}
{%- set presets = ref(scanner ~ '_presets') -%}
{%- set shared_columns = [
    'session_date',
    'cutoff_time',
    'preset',
    'symbol',
    'calendar',
    'direction',
    'last_price',
    'score',
    'signal_rank',
    'rejected_by',
] -%}
{%- set columns = [] -%}
{%- set built = build_states(['scanners__' ~ scanner]) -%}
{%- if execute -%}
    {%- set columns = adapter.get_columns_in_relation(candidates) | map(attribute='name') | list -%}
    {%- set missing = shared_columns | reject('in', columns) | list -%}
    {%- if columns and missing -%}
        {{ exceptions.raise_compiler_error(
            'scanners__' ~ scanner ~ '.sql has no column ' ~ missing | join(', ')
            ~ ', which every scanner has: see models/scanners/scans/README.md'
        ) }}
    {%- elif columns and not built -%}
        {{ exceptions.raise_compiler_error(
            'there is no record of the SQL that built scanners.' ~ scanner
            ~ ': build it again, with --select +scanners__signals'
        ) }}
    {%- endif -%}
{%- endif -%}
{%- set code = built | map(attribute='code') | join -%}
{%- set own_prices = ['stop_price', 'target_price'] -%}
{%- set evidence = [] -%}
{%- for column in columns if column not in shared_columns + own_prices -%}
    {%- do evidence.append("'" ~ column ~ "': candidates." ~ column) -%}
{%- endfor -%}
select
    '{{ scanner }}' as scanner,
    candidates.preset,
    candidates.session_date,
    candidates.cutoff_time::time as cutoff_time,
    candidates.symbol,
    candidates.calendar,
    candidates.direction,
    candidates.score,
    candidates.signal_rank,
    candidates.last_price as entry_price,
    {%- for own_price in own_prices %}
    {{ 'candidates.' ~ own_price if own_price in columns else 'null::double' }} as {{ own_price }},
    {%- endfor %}
    presets.stop_loss_pct::double as stop_loss_pct,
    presets.take_profit_pct::double as take_profit_pct,
    presets.position_pct::double as position_pct,
    presets.exit_time::time as exit_time,
    {{ 'to_json({' ~ evidence | join(', ') ~ '})::varchar' if evidence else "'{}'" }} as evidence,
    md5(to_json(presets)::varchar || '{{ code }}') as scanner_version
from {{ candidates }} as candidates
inner join {{ presets }} as presets using (preset)
where candidates.signal_rank <= presets.max_signals
{%- endmacro %}
