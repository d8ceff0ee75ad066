{% macro volume_of_all() -%}
case when count(volume) = count(*) then {{ exact_sum('volume') }} end
{%- endmacro %}
