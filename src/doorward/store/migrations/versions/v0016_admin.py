"""Two more things that are good once: a ticket of the command line, and the session that comes of it."""

from typing import Final

from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0016"
down_revision: Final = "0015"


def upgrade() -> None:
    """Allow them."""
    allow_purposes("admin_login", "admin_session")


def downgrade() -> None:
    """What there is of them goes."""
    op.execute("DELETE FROM single_use WHERE purpose IN ('admin_login', 'admin_session')")
