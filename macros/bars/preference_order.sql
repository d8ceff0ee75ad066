{% macro preference_order() -%}
precedence desc, delivered_at desc, delivery desc, source_row desc
{%- endmacro %}
