"""Gateway: moves bytes, decides nothing."""
