"""Devices without a browser: clients registered for them, what they wait for, two more purposes of single use."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from doorward.store.migrations.purposes import allow_purposes

revision: Final = "0015"
down_revision: Final = "0014"


def upgrade() -> None:
    """Make room for it; a client of before has no devices."""
    op.add_column("clients", sa.Column("device", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "device_grants",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("interval_s", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("polled_at", sa.Float),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("user", sa.String(64)),
        sa.Column("session", sa.String(32)),
        sa.Column("auth_time", sa.Float),
        sa.Column("amr", sa.JSON),
        sa.CheckConstraint("state IN ('pending', 'allowed', 'denied')", name="ck_device_grants_state"),
        sa.ForeignKeyConstraint(["client"], ["clients.name"], name="fk_device_grants_client_clients"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_device_grants_user_users"),
        sa.PrimaryKeyConstraint("id", name="pk_device_grants"),
    )
    op.create_index("ix_device_grants_expires_at", "device_grants", ["expires_at"])
    allow_purposes("device_code", "user_code")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("device_grants")
    op.drop_column("clients", "device")
