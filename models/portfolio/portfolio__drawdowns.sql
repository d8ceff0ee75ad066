with

paths as (
    select * from {{ ref('portfolio__equity') }}
),

{{ drawdown_episodes('portfolio, basis') }},

final as (
    select
        portfolio,
        basis,
        start_date,
        trough_date,
        recovery_date,
        drawdown,
        length_sessions,
        trough_sessions,
        if(recovery_date is null, null, length_sessions - trough_sessions) as recovery_sessions,
        row_number() over (partition by portfolio, basis order by drawdown, start_date)
            as depth_rank
    from episodes
)

select * from final
order by portfolio, basis, start_date
