{#- A query's text can be built from parameters but not from rows: one macro calls the others. -#}
select *
from query(
    'from indicators.'
    || case
        when regexp_full_match(p_name, '[a-z][a-z0-9_]*') then p_name
        else error('an indicator is named in small letters, such as rsi, not ' || p_name)
    end
    || '(''' || replace(p_symbol, '''', '''''') || ''', '''
    || replace(p_timeframe, '''', '''''') || ''''
    || coalesce(', ' || trim(p_periods::varchar, '[]'), '') || ')'
)
