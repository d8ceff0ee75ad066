{%- set started_at = run_started_at -%}
{#- of the public tables: models/README.md says when to raise it -#}
{%- set contract_version = 1 -%}
{%- set keys = relation_keys() -%}

with

data_version as (
    select * from {{ ref('bars__data_version') }}
)

select
    '{{ started_at.strftime("%Y%m%dT%H%M%S") }}-{{ invocation_id[:8] }}' as build_id,
    '{{ env_var("BOURSE_GIT_REVISION", "unknown") }}' as git_revision,
    data_version.data_version,
    {{ contract_version }} as contract_version,
    '{{ invocation_id }}' as invocation_id,
    timestamp '{{ started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as built_at,
    {{ "timestamp '" ~ var('as_of') ~ "'" if var('as_of') else 'null::timestamp' }} as as_of,
    null::timestamp as published_at,
    null::map(varchar, bigint) as row_counts, -- noqa: LT01
    map(
        {{ keys.keys() | list }}::varchar[],
        {{ keys.values() | list }}::varchar[][]
    ) as keys,
    {{ public_relations() }}::varchar[] as public_relations -- noqa: LT01
from data_version
