"""The last passwords of users, as hashes, for profiles that refuse them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0022"
down_revision: Final = "0021"


def upgrade() -> None:
    """Make room for them."""
    op.add_column("users", sa.Column("old_passwords", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("users", "old_passwords")
