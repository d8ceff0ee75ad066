"""Brokers: what the order manager asks of one, and those that there are."""
