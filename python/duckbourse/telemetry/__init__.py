"""What a loop tells of itself: metrics, health, and messages to people."""
