"""Orders: what they are, what may happen to them, and the journal that forgets nothing."""
