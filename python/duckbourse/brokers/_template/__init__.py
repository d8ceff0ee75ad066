"""A broker to copy; README.md says what is required."""
