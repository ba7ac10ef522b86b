"""Authenticate."""
