"""Brokers: implementations of the protocol in `orders/broker.py`."""
