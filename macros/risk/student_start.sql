{% macro student_start(z, nu) -%}
({{ z }} + (pow({{ z }}, 3) + {{ z }}) / (4 * {{ nu }})
+ (5 * pow({{ z }}, 5) + 16 * pow({{ z }}, 3) + 3 * {{ z }}) / (96 * {{ nu }} * {{ nu }})
+ (3 * pow({{ z }}, 7) + 19 * pow({{ z }}, 5) + 17 * pow({{ z }}, 3) - 15 * {{ z }})
/ (384 * pow({{ nu }}, 3)))
{%- endmacro %}
