{% macro relation_keys() -%}
{%- set of_bars, keys = ['symbol', 'timeframe', 'bar_ts'], {} -%}
{%- for test in project_nodes('test') if test.test_metadata and not test.config.where -%}
    {%- set name, arguments = test.test_metadata.name, test.test_metadata.kwargs -%}
    {%- set node = graph.nodes.get(test.attached_node) -%}
    {%- if name == 'one_row_per_bar' -%}
        {%- set key = of_bars -%}
    {%- elif name in ['unique', 'expect_column_values_to_be_unique',
        'expect_compound_columns_to_be_unique'] and not arguments.row_condition -%}
        {%- set key = arguments.column_list or [arguments.column_name] -%}
    {%- else -%}
        {%- set key = none -%}
    {%- endif -%}
    {%- if key and node and node.schema != 'staging'
        and node.config.materialized != 'ephemeral' -%}
        {%- set relation = node.schema ~ '.' ~ node.alias -%}
        {#- of two, the one that everything per bar has; else the shorter one -#}
        {%- set other = keys.get(relation) -%}
        {%- if not other or key == of_bars or (other != of_bars and key | length < other | length)
        -%}
            {%- do keys.update({relation: key}) -%}
        {%- endif -%}
    {%- endif -%}
{%- endfor -%}
{{ return(keys) }}
{%- endmacro %}
