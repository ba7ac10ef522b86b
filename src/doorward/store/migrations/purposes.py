"""Makes room for another purpose in the table of everything that is spent once."""

import re

import sqlalchemy as sa
from alembic import op


def allow_purposes(*new: str) -> None:
    """Nothing; these purposes are allowed beside those that are.

    What is allowed is read from the database, so that migrations written side by side do not undo each other.
    """
    (found,) = sa.inspect(op.get_bind()).get_check_constraints("single_use")
    name = op.f(str(found["name"]))
    purposes = "', '".join(dict.fromkeys([*re.findall(r"'([a-z_]+)'", str(found["sqltext"])), *new]))
    with op.batch_alter_table("single_use") as table:
        if op.get_context().dialect.name != "sqlite":
            # SQLite makes the table anew, without the old check
            table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, f"purpose IN ('{purposes}')")
