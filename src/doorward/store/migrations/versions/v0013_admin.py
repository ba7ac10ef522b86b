"""Two more things that are good once: a ticket of the command line, and the session that comes of it."""

from typing import Final

from alembic import op

revision: Final = "0013"
down_revision: Final = "0012"

_BEFORE: Final = (
    "'authorization_request', 'pushed_request', 'authorization_code', 'refresh_token', 'login_step', 'enrolment', "
    "'recovery_code', 'password_reset', 'proof_id', 'passkey_challenge'"
)
_NEW: Final = ", 'admin_login', 'admin_session'"


def upgrade() -> None:
    """Allow them."""
    _allow(_BEFORE + _NEW)


def downgrade() -> None:
    """Forbid them; what there is of them goes."""
    op.execute("DELETE FROM single_use WHERE purpose IN ('admin_login', 'admin_session')")
    _allow(_BEFORE)


def _allow(purposes: str) -> None:
    with op.batch_alter_table("single_use") as table:
        table.drop_constraint("ck_single_use_purpose", type_="check")
        table.create_check_constraint("ck_single_use_purpose", f"purpose IN ({purposes})")
