"""Telephone numbers of users, codes sent there, and what is counted of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0026"
down_revision: Final = "0025"


def upgrade() -> None:
    """Make room for them; users of before have no number."""
    op.add_column("users", sa.Column("phone", sa.String(16)))
    op.add_column("users", sa.Column("phone_verified_at", sa.Float))
    op.create_table(
        "sms_sends",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False),
        sa.Column("verified_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_sms_sends"),
    )
    for column in ("prefix", "sent_at"):
        op.create_index(f"ix_sms_sends_{column}", "sms_sends", [column])
    allow_purposes("sms_code")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("sms_sends")
    for name in ("phone_verified_at", "phone"):
        op.drop_column("users", name)
