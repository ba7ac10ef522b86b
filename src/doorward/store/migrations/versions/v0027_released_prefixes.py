"""Prefixes of telephone numbers that an operator lets get codes again."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0027"
down_revision: Final = "0026"


def upgrade() -> None:
    """Make room for when; nothing of before was released."""
    op.add_column("sms_sends", sa.Column("released_at", sa.Float))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("sms_sends", "released_at")
