"""Alembic's scripts; `doorward.store.opening` runs them."""
