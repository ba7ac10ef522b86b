"""Signs that somebody else has a session's cookie, and the cookie it had before."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0025"
down_revision: Final = "0024"


def upgrade() -> None:
    """Make room for them; of the sessions there are, nothing is suspected."""
    op.add_column("sessions", sa.Column("signs", sa.Integer, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("hash_before", sa.String(64)))
    op.add_column("sessions", sa.Column("renewed_at", sa.Float))
    op.create_index("ix_sessions_hash_before", "sessions", ["hash_before"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_sessions_hash_before", "sessions")
    for name in ("renewed_at", "hash_before", "signs"):
        op.drop_column("sessions", name)
