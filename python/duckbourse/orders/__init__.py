"""Orders: their data, their lifecycle, and the journal that records every event."""
