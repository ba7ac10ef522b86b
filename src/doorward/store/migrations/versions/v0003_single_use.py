"""The table of everything that may be spent once."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_PURPOSES: Final = (
    "'authorization_request', 'pushed_request', 'authorization_code', 'refresh_token', 'login_step', 'enrolment', "
    "'recovery_code', 'password_reset', 'proof_id'"
)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "single_use",
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("issued_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("keep_until", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
        sa.CheckConstraint(f"purpose IN ({_PURPOSES})", name="ck_single_use_purpose"),
        sa.PrimaryKeyConstraint("purpose", "hash", name="pk_single_use"),
    )
    op.create_index("ix_single_use_subject", "single_use", ["subject"])
    op.create_index("ix_single_use_keep_until", "single_use", ["keep_until"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("single_use")
