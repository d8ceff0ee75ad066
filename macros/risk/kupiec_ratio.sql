{% macro kupiec_ratio(count, hits, probability) -%}
greatest(
    2 * (
        {{ log_likelihood(count, hits, '(1e0 * ' ~ hits ~ ' / ' ~ count ~ ')') }}
        - {{ log_likelihood(count, hits, probability) }}
    ),
    0
)
{%- endmacro %}
