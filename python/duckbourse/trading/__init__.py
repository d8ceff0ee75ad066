"""The loop: what was published in, orders out."""
