"""Events leave for the audit trail: an id that is theirs everywhere, who acted, and whether they are there yet."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0011"
down_revision: Final = "0010"
_NEW_ID: Final = {
    "sqlite": "lower(hex(randomblob(16)))",
    "postgresql": "replace(gen_random_uuid()::text, '-', '')",
}


def upgrade() -> None:
    """Make room for it; events of before get an id each and go to the trail too."""
    op.add_column("events", sa.Column("uid", sa.String(32), nullable=False, server_default=""))
    op.add_column("events", sa.Column("actor", sa.String(128), nullable=False, server_default=""))
    op.add_column("events", sa.Column("recorded_at", sa.Float))
    events = sa.table("events", sa.column("uid"))
    op.execute(events.update().values(uid=sa.text(_NEW_ID[op.get_bind().dialect.name])))
    op.create_index("ix_events_uid", "events", ["uid"], unique=True)
    waiting = sa.text("recorded_at IS NULL")
    op.create_index("ix_events_waiting", "events", ["id"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_events_waiting", "events")
    op.drop_index("ix_events_uid", "events")
    for name in ("recorded_at", "actor", "uid"):
        op.drop_column("events", name)
