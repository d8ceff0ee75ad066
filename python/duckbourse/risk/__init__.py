"""What stands between a wish and an order: limits, checks before each, and exits on every tick."""
