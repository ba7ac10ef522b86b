"""Second factors, known devices, counters of failed logins, events."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "totp_factors",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("seed_sealed", sa.String(256), nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_totp_factors_user_users"),
        sa.PrimaryKeyConstraint("id", name="pk_totp_factors"),
    )
    op.create_index("ix_totp_factors_user", "totp_factors", ["user"])
    op.create_table(
        "devices",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_devices_user_users"),
        sa.PrimaryKeyConstraint("hash", "user", name="pk_devices"),
    )
    op.create_index("ix_devices_user", "devices", ["user"])
    op.create_table(
        "login_counters",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "place", name="pk_login_counters"),
    )
    op.create_index("ix_login_counters_last_at", "login_counters", ["last_at"])
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_subject", "events", ["subject"])


def downgrade() -> None:
    """Remove them."""
    for name in ("events", "login_counters", "devices", "totp_factors"):
        op.drop_table(name)
