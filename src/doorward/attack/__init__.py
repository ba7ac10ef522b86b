"""The simulator: runs every control's attacks and their harmless twins against a running gateway."""
