"""Mail addresses of users, mail that waits, and what links and codes in mail are spent as."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0018"
down_revision: Final = "0017"


def upgrade() -> None:
    """Make room for them; users of before have no address."""
    op.add_column("users", sa.Column("email", sa.String(254)))
    op.add_column("users", sa.Column("email_verified_at", sa.Float))
    op.create_table(
        "mails",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("done_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    for column in ("user", "account", "next_at"):
        op.create_index(f"ix_mails_{column}", "mails", [column])
    allow_purposes("email_verification", "not_me", "mail_code")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("mails")
    for name in ("email_verified_at", "email"):
        op.drop_column("users", name)
