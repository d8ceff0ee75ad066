{#- Basel's framework: sessions, and the cumulative probabilities at which the zones begin -#}
{%- set sessions = 250 -%}
{%- set yellow = 0.95 -%}
{%- set red = 0.9999 -%}

with

settings as (
    select distinct confidence from {{ ref('var_settings') }}
),

probabilities as (
    select
        settings.confidence,
        counts.exceedance_count,
        exp(
            lgamma({{ sessions + 1 }}) - lgamma(counts.exceedance_count + 1)
            - lgamma({{ sessions + 1 }} - counts.exceedance_count)
            + counts.exceedance_count * ln(1 - settings.confidence)
            + ({{ sessions }} - counts.exceedance_count) * ln(settings.confidence)
        ) as probability
    from settings
    cross join range({{ sessions + 1 }}) as counts (exceedance_count)
),

cumulative as (
    select
        confidence,
        exceedance_count,
        {{ exact_sum(
            'probability', 'over (partition by confidence order by exceedance_count)', 30
        ) }} as cumulative_probability
    from probabilities
),

final as (
    select
        confidence,
        exceedance_count,
        cumulative_probability,
        case
            when cumulative_probability < {{ yellow }} then 'green'
            when cumulative_probability < {{ red }} then 'yellow'
            else 'red'
        end as basel_zone
    from cumulative
)

select * from final
order by confidence, exceedance_count
