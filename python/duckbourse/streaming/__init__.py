"""Prices as they come."""
