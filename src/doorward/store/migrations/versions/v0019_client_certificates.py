"""The name by which a client's certificate is known, and the certificate that a family of tokens is bound to."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0019"
down_revision: Final = "0018"


def upgrade() -> None:
    """Make room for both; what there is goes on without."""
    op.add_column("clients", sa.Column("tls_field", sa.String(16), nullable=False, server_default=""))
    op.add_column("clients", sa.Column("tls_value", sa.String(512), nullable=False, server_default=""))
    op.add_column("token_families", sa.Column("bound_certificate", sa.String(43)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("token_families", "bound_certificate")
    op.drop_column("clients", "tls_value")
    op.drop_column("clients", "tls_field")
