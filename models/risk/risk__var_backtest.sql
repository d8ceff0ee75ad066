{#- what a test must be surer of than this before a method fails it -#}
{%- set significance = 0.05 -%}
{#- Acerbi and Szekely's bound of Z2 for the same significance -#}
{%- set least_z2 = -0.7 -%}
{%- set basel_sessions = 250 -%}

with

exceedances as (
    select * from {{ ref('risk__var_exceedances') }}
),

zones as (
    select * from {{ ref('risk__basel_zones') }}
),

counts as (
    select
        portfolio,
        period,
        method,
        confidence,
        lookback_days,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date,
        count(*) as session_count,
        count(*) * (1 - confidence) as expected_count,
        count(*) filter (where is_exceedance) as exceedance_count,
        count(*) filter (where is_after_exceedance is not null) as pair_count,
        count(*) filter (where is_exceedance and is_after_exceedance is not null) as second_count,
        count(*) filter (where is_after_exceedance) as after_count,
        count(*) filter (where is_exceedance and is_after_exceedance) as cluster_count,
        if(
            count(*) >= {{ basel_sessions }},
            count(*) filter (where is_exceedance and sessions_to_end <= {{ basel_sessions }}),
            null
        ) as basel_exceedance_count,
        1 - list_sum(list(
            if(is_exceedance, loss_return / nullif(es_return, 0), 0) order by session_date
        )) / (count(*) * (1 - confidence)) as acerbi_szekely_z2,
        list_avg(list(
            (loss_return - var_return) * (confidence - if(loss_return < var_return, 1, 0))
            order by session_date
        )) as quantile_loss
    from exceedances
    group by portfolio, period, method, confidence, lookback_days
),

likelihoods as (
    select
        *,
        {{ kupiec_ratio('session_count', 'exceedance_count', '(1 - confidence)') }} as kupiec_lr,
        {{ christoffersen_ratio('pair_count', 'second_count', 'after_count', 'cluster_count') }}
            as independence_lr
    from counts
),

probabilities as (
    select
        *,
        kupiec_lr + independence_lr as conditional_lr,
        {{ chi_square_probability('kupiec_lr', 1) }} as kupiec_p_value,
        {{ chi_square_probability('independence_lr', 1) }} as independence_p_value,
        {{ chi_square_probability('(kupiec_lr + independence_lr)', 2) }} as conditional_p_value
    from likelihoods
),

verdicts as (
    select
        probabilities.*,
        zones.basel_zone,
        case
            when expected_count < 1 then 'untested'
            when
                kupiec_p_value < {{ significance }}
                and probabilities.exceedance_count > expected_count
                then 'too low'
            when kupiec_p_value < {{ significance }} then 'too high'
            when independence_p_value < {{ significance }} then 'clustered'
            when conditional_p_value < {{ significance }} then 'clustered'
            when acerbi_szekely_z2 < {{ least_z2 }} then 'shortfall too low'
            else 'passes'
        end as verdict
    from probabilities
    left join zones
        on probabilities.confidence = zones.confidence
            and probabilities.basel_exceedance_count = zones.exceedance_count
),

final as (
    select
        portfolio,
        period,
        method,
        confidence,
        lookback_days,
        first_session_date,
        last_session_date,
        session_count,
        exceedance_count,
        expected_count,
        kupiec_lr,
        kupiec_p_value,
        independence_lr,
        independence_p_value,
        conditional_lr,
        conditional_p_value,
        basel_exceedance_count,
        basel_zone,
        acerbi_szekely_z2,
        quantile_loss,
        verdict,
        rank() over (
            partition by portfolio, period, confidence, lookback_days
            order by quantile_loss
        ) as quantile_loss_rank
    from verdicts
)

select * from final
order by portfolio, period, confidence, lookback_days, method
