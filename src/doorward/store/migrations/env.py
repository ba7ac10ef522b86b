"""Alembic's entry: runs migrations on the connection that `open_store` hands over, in its transaction."""

from alembic import context

from doorward.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
