"""Alembic's entry: runs migrations on the connection that `open_store` hands over, in its transaction."""

from alembic import context

from doorward.store.tables import METADATA

# alembic gives the module its members only while it migrates; whoever imports it otherwise wants nothing migrated
if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    with context.begin_transaction():
        context.run_migrations()
