"""Minimise."""
