"""Telemetry of a trading session: metrics, health and notifications."""
