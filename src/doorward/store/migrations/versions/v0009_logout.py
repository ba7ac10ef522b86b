"""Signing out: where clients send people afterwards, where they are told, and who is still to be told."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0009"
down_revision: Final = "0008"


def upgrade() -> None:
    """Make room for it; a client of before is told nothing."""
    op.add_column("clients", sa.Column("post_logout_redirect_uris", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("clients", sa.Column("backchannel_logout_uri", sa.String(512), nullable=False, server_default=""))
    op.create_table(
        "logout_notices",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("session", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["client"], ["clients.name"], name="fk_logout_notices_client_clients"),
        sa.PrimaryKeyConstraint("id", name="pk_logout_notices"),
    )
    op.create_index("ix_logout_notices_client", "logout_notices", ["client"])
    op.create_index("ix_logout_notices_next_at", "logout_notices", ["next_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("logout_notices")
    for name in ("backchannel_logout_uri", "post_logout_redirect_uris"):
        op.drop_column("clients", name)
