"""What a refresh token is bound to: the key of the proof that its first token was asked for with."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    """Make room for it; what there is stays bound to nothing."""
    op.add_column("token_families", sa.Column("bound_key", sa.String(43)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("token_families", "bound_key")
