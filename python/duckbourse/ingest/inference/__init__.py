"""What a vendor does not state about a file, inferred from the file."""
