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
