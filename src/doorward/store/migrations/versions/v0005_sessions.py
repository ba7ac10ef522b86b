"""Login sessions; clients that send people to sign in; consents, families of refresh tokens, tokens issued in them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Make the tables; a client of before is confidential and redirects nowhere."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("amr", sa.JSON, nullable=False),
        sa.Column("auth_time", sa.Float, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_seen_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_sessions_user_users"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_hash", "sessions", ["hash"], unique=True)
    op.create_index("ix_sessions_user", "sessions", ["user"])
    op.add_column("clients", sa.Column("kind", sa.String(16), nullable=False, server_default="confidential"))
    op.add_column("clients", sa.Column("title", sa.String(64), nullable=False, server_default=""))
    op.add_column("clients", sa.Column("redirect_uris", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("clients", sa.Column("trusted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("clients", sa.Column("pushed_only", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "consents",
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("granted_at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_consents_user_users"),
        sa.ForeignKeyConstraint(["client"], ["clients.name"], name="fk_consents_client_clients"),
        sa.PrimaryKeyConstraint("user", "client", name="pk_consents"),
    )
    op.create_table(
        "token_families",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("session", sa.String(32), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("auth_time", sa.Float, nullable=False),
        sa.Column("amr", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_token_families_user_users"),
        sa.ForeignKeyConstraint(["client"], ["clients.name"], name="fk_token_families_client_clients"),
        sa.PrimaryKeyConstraint("id", name="pk_token_families"),
    )
    op.create_index("ix_token_families_user", "token_families", ["user"])
    op.create_index("ix_token_families_session", "token_families", ["session"])
    op.create_table(
        "issued_tokens",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("issuer", sa.String(1024), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_issued_tokens"),
    )
    op.create_index("ix_issued_tokens_family", "issued_tokens", ["family"])
    op.create_index("ix_issued_tokens_expires_at", "issued_tokens", ["expires_at"])


def downgrade() -> None:
    """Remove them."""
    for name in ("issued_tokens", "token_families", "consents"):
        op.drop_table(name)
    for name in ("pushed_only", "trusted", "redirect_uris", "title", "kind"):
        op.drop_column("clients", name)
    op.drop_table("sessions")
