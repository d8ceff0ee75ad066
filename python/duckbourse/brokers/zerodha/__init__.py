"""Zerodha, by its Kite API."""
