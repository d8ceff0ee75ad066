{% macro series_exact(column, of_stored=false) -%}
{#- The billionths of a thousandth that a running total counts in, as the decimal it is stored as; or back. -#}
{%- if of_stored -%}
    {{ return(
        '(trunc(' ~ column ~ ')::hugeint * 1000000000000 + round((' ~ column ~ ' - trunc(' ~ column
        ~ '))::double * 1e12::double)::hugeint)'
    ) }}
{%- endif -%}
{{ return(column ~ '::decimal(38, 0) * 0.000000000001::decimal(13, 12)') }}
{%- endmacro %}
