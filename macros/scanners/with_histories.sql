{% macro with_histories(alias='histories', lookback='lookback_sessions') -%}
left join histories{{ ' as ' ~ alias if alias != 'histories' }}
        on
            to_cutoff.symbol = {{ alias }}.symbol
            and to_cutoff.session_date = {{ alias }}.session_date
            and presets.{{ lookback }} = {{ alias }}.lookback_sessions
{%- endmacro %}
