{#- the weight of a loss relative to one a session later -#}
{%- set decay = 0.98 -%}

with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'age_weighted'
),

tails as (
    select
        horizon_sessions,
        lookback_sessions,
        1 - min(confidence) as widest_tail,
        pow({{ decay }}, lookback_sessions) as remainder
    from settings
    group by horizon_sessions, lookback_sessions
),

lookbacks as (
    select
        horizon_sessions,
        lookback_sessions,
        {{ decayed_weights(decay, 'lookback_sessions') }} as weights,
        -- this many losses and the next one cover the tail even if they are the oldest
        lookback_sessions + 2
        - floor(ln(widest_tail * (1 - remainder) + remainder) / ln({{ decay }}))::bigint
            as tail_count
    from tails
),

past_losses as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_sessions,
        lookbacks.lookback_sessions,
        lookbacks.weights,
        lookbacks.tail_count,
        {{ in_full_lookback('list', '-horizon_return') }} as losses
    from returns
    inner join lookbacks using (horizon_sessions)
),

-- the worst first; of two equal losses, the more recent first
sorted_losses as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        list_reverse_sort(losses)[:tail_count] as losses,
        list_select(weights, list_reverse(list_grade_up(losses)))[:tail_count] as weights
    from past_losses
    where losses is not null
),

weighted_losses as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        generate_subscripts(losses, 1) as loss_rank,
        unnest(losses) as loss,
        unnest(weights) as weight
    from sorted_losses
),

-- each quantile lies halfway between a loss and the next; between two quantiles, interpolate
ranked_losses as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        loss_rank,
        weight,
        (sum({{ to_decimal('weight') }}) over worst_first - {{ to_decimal('weight') }})::double
            as worse_weight,
        (coalesce(lag(loss) over worst_first, loss) + loss) / 2 as upper_quantile,
        -- lead goes to the next loss, not to a later day
        (loss + coalesce(lead(loss) over worst_first, loss)) / 2 as lower_quantile
    from weighted_losses
    window
        worst_first as (
            partition by portfolio, session_date, horizon_sessions, lookback_sessions
            order by loss_rank
        )
),

tail_losses as (
    select
        ranked_losses.portfolio,
        ranked_losses.session_date,
        settings.confidence,
        horizon_sessions,
        lookback_sessions,
        ranked_losses.loss_rank,
        ranked_losses.upper_quantile,
        least(1 - settings.confidence - ranked_losses.worse_weight, ranked_losses.weight)
            as weight_in_tail,
        ranked_losses.upper_quantile
        + (ranked_losses.lower_quantile - ranked_losses.upper_quantile)
        * least((1 - settings.confidence - ranked_losses.worse_weight) / ranked_losses.weight, 1)
            as last_quantile
    from ranked_losses
    inner join settings using (horizon_sessions, lookback_sessions)
    where ranked_losses.worse_weight < 1 - settings.confidence
),

estimates as (
    select
        portfolio,
        session_date,
        confidence,
        horizon_sessions,
        lookback_sessions,
        arg_max(last_quantile, loss_rank) as var_return,
        list_sum(
            list(weight_in_tail * (upper_quantile + last_quantile) / 2 order by loss_rank)
        ) / (1 - confidence) as es_return
    from tail_losses
    group by portfolio, session_date, confidence, horizon_sessions, lookback_sessions
),

final as (
    select
        past_losses.portfolio,
        past_losses.session_date,
        settings.method,
        settings.confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('overlapping') }} as scaling,
        estimates.var_return,
        estimates.es_return
    from past_losses
    inner join settings using (horizon_sessions, lookback_sessions)
    left join estimates
        using (portfolio, session_date, confidence, horizon_sessions, lookback_sessions)
)

select * from final
