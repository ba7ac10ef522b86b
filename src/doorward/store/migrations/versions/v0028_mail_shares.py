"""Whose share of an account's mail each was."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0028"
down_revision: Final = "0027"


def upgrade() -> None:
    """Make room for it; mail of before was nobody's."""
    op.add_column("mails", sa.Column("share", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("mails", "share")
