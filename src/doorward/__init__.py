"""Doorward guards an HTTP API from its OpenAPI document and a short policy."""
