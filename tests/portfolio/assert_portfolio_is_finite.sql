-- A figure is infinite or not a number. Such a value passes `is not null`, sorts above all others,
-- spoils every mean, and does not exist in JSON. A missing figure must be NULL.
{{- config(group='portfolio') }}

{{ not_finite('portfolio') }}
