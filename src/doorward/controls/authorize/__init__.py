"""Authorize."""
