"""Zerodha: its session, client, words and updates."""
