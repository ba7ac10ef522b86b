"""What the ID tokens of a client are signed with."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0013"
down_revision: Final = "0012"


def upgrade() -> None:
    """Make room for it; what there is gets them as before."""
    op.add_column("clients", sa.Column("id_token_algorithm", sa.String(16)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("clients", "id_token_algorithm")
