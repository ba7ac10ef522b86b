"""How a client proves itself: by a secret, by keys it signs with, or not at all."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    """Make room for it; what there is goes on as it was registered."""
    op.add_column("clients", sa.Column("authentication", sa.String(32), nullable=False, server_default="client_secret"))
    op.add_column("clients", sa.Column("jwks", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("clients", sa.Column("jwks_uri", sa.String(1024), nullable=False, server_default=""))
    op.execute("UPDATE clients SET authentication = 'none' WHERE kind = 'public'")


def downgrade() -> None:
    """Remove it."""
    for name in ("jwks_uri", "jwks", "authentication"):
        op.drop_column("clients", name)
