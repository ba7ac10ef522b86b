"""Bringing a store to the newest form, by Alembic's scripts."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection) -> None:
    """Nothing; the tables are as the newest migration leaves them, once the caller's transaction ends."""
    with as_file(files("doorward.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
