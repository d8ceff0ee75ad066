-- A figure is infinite or not a number: it passes `is not null`, sorts above all others, spoils
-- every mean, and cannot be written in JSON. A missing figure is null.
{{- config(group='indicators') }}

{{ not_finite('indicators') }}
