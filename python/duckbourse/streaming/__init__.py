"""Live and replayed ticks."""
