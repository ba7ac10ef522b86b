"""Passkeys that sign in no longer alone, since their user said "this was not me"."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0024"
down_revision: Final = "0023"


def upgrade() -> None:
    """Make room for it; those that are there sign in as before."""
    op.add_column("passkeys", sa.Column("factor_only", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("passkeys", "factor_only")
