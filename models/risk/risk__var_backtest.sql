{#- significance level of every test -#}
{%- set significance = 0.05 -%}
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
        lookback_sessions,
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
        count(*) filter (
            where is_exceedance and coalesce(not es_return > 0, true)
        ) as unbounded_count,
        if(
            unbounded_count = 0,
            1 - list_sum(list(
                if(is_exceedance, loss_return / es_return, 0) order by session_date
            )) / (count(*) * (1 - confidence)),
            null
        ) as acerbi_szekely_z2,
        list_avg(list(
            (loss_return - var_return) * (confidence - if(loss_return < var_return, 1, 0))
            order by session_date
        )) as quantile_loss
    from exceedances
    group by portfolio, period, method, confidence, lookback_sessions
),

confidences as (
    select distinct confidence from counts
),

scores as (
    select
        confidence,
        {{ normal_quantile('confidence') }} as score,
        {{ normal_quantile('(1 - ' ~ significance ~ '::double)') }} as significance_score
    from confidences
),

normal_tails as (
    select
        *,
        1 - confidence as tail,
        {{ normal_density('score') }} / (1 - confidence) as shortfall
    from scores
),

-- a session's term in Acerbi and Szekely's sum if returns are normal: the loss over the shortfall
-- in a breach, with the moments of a normal tail, otherwise 0
normal_moments as (
    select
        *,
        tail * (1 + score * shortfall) / pow(shortfall, 2) as second_moment,
        tail * (2 + pow(score, 2)) / pow(shortfall, 2) as third_moment
    from normal_tails
),

normal_sums as (
    select
        *,
        second_moment - pow(tail, 2) as variance,
        third_moment - 3 * tail * second_moment + 2 * pow(tail, 3) as third_central_moment
    from normal_moments
),

likelihoods as (
    select
        *,
        {{ kupiec_ratio('session_count', 'exceedance_count', '(1 - confidence)') }} as kupiec_lr,
        {{ christoffersen_ratio('pair_count', 'second_count', 'after_count', 'cluster_count') }}
            as independence_lr,
        -- over the same sessions as the independence ratio, so that both belong to one likelihood
        {{ kupiec_ratio('pair_count', 'second_count', '(1 - confidence)') }} as paired_kupiec_lr
    from counts
),

probabilities as (
    select
        *,
        paired_kupiec_lr + independence_lr as conditional_lr,
        {{ chi_square_probability('kupiec_lr', 1) }} as kupiec_p_value,
        {{ chi_square_probability('independence_lr', 1) }} as independence_p_value,
        {{ chi_square_probability('conditional_lr', 2) }} as conditional_p_value
    from likelihoods
),

-- the Cornish–Fisher quantile of the sum over all sessions
bounds as (
    select
        probabilities.*,
        -sqrt(normal_sums.variance / probabilities.session_count) / normal_sums.tail
        * (
            normal_sums.significance_score
            + (pow(normal_sums.significance_score, 2) - 1) / 6
            * normal_sums.third_central_moment / pow(normal_sums.variance, 1.5)
            / sqrt(probabilities.session_count)
        ) as acerbi_szekely_bound
    from probabilities
    inner join normal_sums using (confidence)
),

verdicts as (
    select
        bounds.*,
        zones.basel_zone,
        case
            when expected_count < 1 then 'untested'
            when
                kupiec_p_value < {{ significance }}
                and bounds.exceedance_count > expected_count
                then 'too_low'
            when kupiec_p_value < {{ significance }} then 'too_high'
            when
                independence_p_value < {{ significance }}
                and cluster_count * pair_count > after_count * second_count
                then 'clustered'
            when independence_p_value < {{ significance }} then 'too_regular'
            when conditional_p_value < {{ significance }} then 'fails_conditional_coverage'
            when unbounded_count > 0 or acerbi_szekely_z2 < acerbi_szekely_bound
                then 'shortfall_too_low'
            else 'passes'
        end as verdict
    from bounds
    left join zones
        on bounds.confidence = zones.confidence
            and bounds.basel_exceedance_count = zones.exceedance_count
),

final as (
    select
        portfolio,
        period,
        method,
        confidence,
        lookback_sessions,
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
        acerbi_szekely_bound,
        quantile_loss,
        verdict,
        rank() over (
            partition by portfolio, period, confidence, lookback_sessions
            order by quantile_loss
        ) as quantile_loss_rank
    from verdicts
)

select * from final
order by portfolio, period, confidence, lookback_sessions, method
