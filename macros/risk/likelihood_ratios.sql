{% macro log_likelihood(count, hits, probability) -%}
(if({{ hits }} = 0, 0, {{ hits }} * ln({{ probability }}))
+ if({{ count }} = {{ hits }}, 0, ({{ count }} - {{ hits }}) * ln(1 - {{ probability }})))
{%- endmacro %}

{% macro kupiec_ratio(count, hits, probability) -%}
greatest(
    2 * (
        {{ log_likelihood(count, hits, '(1e0 * ' ~ hits ~ ' / ' ~ count ~ ')') }}
        - {{ log_likelihood(count, hits, probability) }}
    ),
    0
)
{%- endmacro %}

{% macro christoffersen_ratio(pairs, hits, after, after_hits) -%}
greatest(
    2 * (
        {{ log_likelihood(after, after_hits, '(1e0 * ' ~ after_hits ~ ' / ' ~ after ~ ')') }}
        + {{ log_likelihood(
            '(' ~ pairs ~ ' - ' ~ after ~ ')',
            '(' ~ hits ~ ' - ' ~ after_hits ~ ')',
            '(1e0 * (' ~ hits ~ ' - ' ~ after_hits ~ ') / (' ~ pairs ~ ' - ' ~ after ~ '))'
        ) }}
        - {{ log_likelihood(pairs, hits, '(1e0 * ' ~ hits ~ ' / ' ~ pairs ~ ')') }}
    ),
    0
)
{%- endmacro %}
