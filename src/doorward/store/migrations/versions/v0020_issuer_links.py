"""Accounts at other providers, and logins there among what is good once."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0020"
down_revision: Final = "0019"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "issuer_links",
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("made_account", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_issuer_links_user_users"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_issuer_links"),
    )
    op.create_index("ix_issuer_links_user", "issuer_links", ["user"])
    allow_purposes("external_login")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("issuer_links")
