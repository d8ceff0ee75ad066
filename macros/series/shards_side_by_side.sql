{% macro shards_side_by_side(wanted) -%}
{#-
    Where the order of insertion need not be kept, DuckDB runs the shards of a `union all` at once, one
    on each core. Each stream stays in order; only whole shards may change places in the table.
-#}
{{ 'set preserve_insertion_order = ' ~ ('false' if wanted else 'true') if target.type == 'duckdb' else 'select 1' }}
{%- endmacro %}
