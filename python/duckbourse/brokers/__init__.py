"""Brokers: the interface the order manager needs, and its implementations."""
