"""The trading loop: published data in, orders out."""
