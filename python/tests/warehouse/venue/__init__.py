"""Zerodha rehearsed: whole sessions against a fake exchange that speaks its words."""
