"""Passkeys, and challenges among what is spent once."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0012"
down_revision: Final = "0011"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("credential_hash", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("transports", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_passkeys_user_users"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    op.create_index("ix_passkeys_user", "passkeys", ["user"])
    op.create_index("ix_passkeys_credential_hash", "passkeys", ["credential_hash"], unique=True)
    allow_purposes("passkey_challenge")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("passkeys")
