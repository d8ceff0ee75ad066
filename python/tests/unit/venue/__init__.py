"""The venue: its words, frames and faults."""
