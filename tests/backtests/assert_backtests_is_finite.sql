-- A figure is infinite or NaN: it passes `is not null`, sorts above all others, spoils every mean
-- and cannot be written as JSON. A figure that is not available is NULL.
{{- config(group='backtests') }}

{{ not_finite('backtests') }}
