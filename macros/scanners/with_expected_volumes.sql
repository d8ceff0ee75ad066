{% macro with_expected_volumes() -%}
left join expected_volumes
        on
            to_cutoff.symbol = expected_volumes.symbol
            and to_cutoff.session_date = expected_volumes.session_date
            and to_cutoff.cutoff_time = expected_volumes.cutoff_time
            and presets.history_sessions = expected_volumes.history_sessions
{%- endmacro %}

{% macro relative_volume_or_null() -%}
case
            when expected_volumes.history_count >= presets.min_history_sessions
                then expected_volumes.relative_volume
        end
{%- endmacro %}
