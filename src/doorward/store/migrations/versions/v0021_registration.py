"""Clients that register themselves, and the tokens with which they may."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0021"
down_revision: Final = "0020"


def upgrade() -> None:
    """Make room for them."""
    op.add_column("clients", sa.Column("registration_hash", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "registration_tokens",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("uses_left", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registration_tokens"),
    )
    op.create_index("ix_registration_tokens_hash", "registration_tokens", ["hash"], unique=True)


def downgrade() -> None:
    """Remove them."""
    op.drop_table("registration_tokens")
    op.drop_column("clients", "registration_hash")
