"""Risk of trading: account limits, pre-trade checks, and exits evaluated on every tick."""
