"""API keys that were made elsewhere and are known by their hashes; when each key was last used."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0010"
down_revision: Final = "0009"


def upgrade() -> None:
    """Make room for them; all keys there are have our own form."""
    op.add_column("api_keys", sa.Column("form", sa.String(16), nullable=False, server_default="doorward"))
    op.add_column("api_keys", sa.Column("prefix", sa.String(32), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("last_used_at", sa.Float))
    op.create_index("ix_api_keys_hash", "api_keys", ["hash"], unique=True)


def downgrade() -> None:
    """Remove it, and the keys of other forms with it: nothing could tell them from ours."""
    op.execute("DELETE FROM api_keys WHERE form <> 'doorward'")
    op.drop_index("ix_api_keys_hash", "api_keys")
    op.drop_column("api_keys", "last_used_at")
    op.drop_column("api_keys", "prefix")
    op.drop_column("api_keys", "form")
