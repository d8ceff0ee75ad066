-- A figure is infinite or not a number: it is kept by `is not null`, sorts above all others and
-- spoils every mean, and JSON has no word for it. What is not known is null.
{{- config(group='bars') }}

{{ not_finite('bars') }}
