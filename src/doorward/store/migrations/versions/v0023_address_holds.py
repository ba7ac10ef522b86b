"""Addresses that wait to be used, and the one before, which can be given back."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0023"
down_revision: Final = "0022"


def upgrade() -> None:
    """Make room for them; nothing waits."""
    for name in ("email_held", "email_before"):
        op.add_column("users", sa.Column(name, sa.String(254)))
        op.add_column("users", sa.Column(f"{name}_until", sa.Float))


def downgrade() -> None:
    """Remove them; what waited is dropped."""
    for name in ("email_held", "email_before"):
        op.drop_column("users", f"{name}_until")
        op.drop_column("users", name)
