{% macro scanners() -%}
{#-
    While dbt parses, its graph is still empty, and only then may a model declare what it reads: so
    scanners are found by their files. A new one is missing until dbt parses again, which
    `./bourse build` always does; otherwise `assert_every_scanner_is_in_signals` fails.
-#}
{%- set models = {} -%}
{%- set seeds = {} -%}
{%- for file in ref.manifest.files.values() -%}
    {%- set path = '/' ~ file.path.relative_path -%}
    {%- set name = path.split('/')[-1].split('.')[0] -%}
    {%- if file.parse_file_type == 'model' and '/scans/' in path and path.endswith('.sql') -%}
        {%- do models.update({name: file.project_name}) -%}
    {%- elif file.parse_file_type == 'seed' -%}
        {%- do seeds.update({name: file.project_name}) -%}
    {%- endif -%}
{%- endfor -%}
{%- set found = [] -%}
{%- for model, package in models.items() -%}
    {%- if not (model.endswith('_scores') and model[:-7] in models) -%}
        {%- set scanner = model.split('__')[-1] -%}
        {%- set presets = scanner ~ '_presets' -%}
        {%- if presets not in seeds -%}
            {{ exceptions.raise_compiler_error(
                'scanner ' ~ scanner ~ ' (' ~ model ~ '.sql) has no presets: add seeds/scanners/'
                ~ presets ~ '.csv, with a row for each preset'
            ) }}
        {%- endif -%}
        {%- do found.append({
            'scanner': scanner,
            'package': package,
            'model': model,
            'scores': model ~ '_scores' if model ~ '_scores' in models else none,
            'presets': presets,
            'presets_package': seeds[presets],
        }) -%}
    {%- endif -%}
{%- endfor -%}
{{ return(found | sort(attribute='scanner')) }}
{%- endmacro %}
