"""A SQL-first market-data warehouse: what lives in time, around what dbt builds."""

__all__: list[str] = []
