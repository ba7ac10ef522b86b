"""The certificate authority, and what it signed."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "authorities",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("sealed_key", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.CheckConstraint("kind IN ('root', 'issuing')", name="ck_authorities_kind"),
        sa.CheckConstraint("(kind = 'root') = (sealed_key IS NULL)", name="ck_authorities_root_key_elsewhere"),
        sa.PrimaryKeyConstraint("id", name="pk_authorities"),
    )
    op.create_index("ix_authorities_kind", "authorities", ["kind", "generation"], unique=True)
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(32), nullable=False),
        sa.Column("lineage", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("authority", sa.String(64), nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("names", sa.JSON, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("renewed_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.CheckConstraint("kind IN ('client', 'server')", name="ck_certificates_kind"),
        sa.ForeignKeyConstraint(["authority"], ["authorities.id"], name="fk_certificates_authority_authorities"),
        sa.PrimaryKeyConstraint("serial", name="pk_certificates"),
    )
    for column in ("lineage", "name", "authority"):
        op.create_index(f"ix_certificates_{column}", "certificates", [column])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("certificates")
    op.drop_table("authorities")
