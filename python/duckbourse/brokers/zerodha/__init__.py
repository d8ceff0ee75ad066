"""Zerodha, through its Kite API."""
