"""For whom a client may exchange tokens."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0017"
down_revision: Final = "0016"


def upgrade() -> None:
    """Make room for it; a client of before may not."""
    op.add_column("clients", sa.Column("exchange_audiences", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("clients", "exchange_audiences")
