"""What happened and what is to be sent, until it has been."""

from typing import Final

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, text

from doorward.store.tables.metadata import METADATA

events: Final = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(64), nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("uid", String(32), nullable=False, server_default=""),
    Column("actor", String(128), nullable=False, server_default=""),
    Column("recorded_at", Float),
    Index("ix_events_uid", "uid", unique=True),
    # in PostgreSQL of the same rows, as its migration says; said here, each process would load that dialect
    Index("ix_events_waiting", "id", sqlite_where=text("recorded_at IS NULL")),
)
"""What happened to whom, written in the transaction of the change. Until `recorded_at` it waits for the audit trail,
where it stands under its `uid`. `actor`: who did it, where that is not the subject."""

mails: Final = Table(
    "mails",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user", String(64), nullable=False, index=True),
    Column("account", String(64), nullable=False, index=True),
    Column("share", String(64), nullable=False, server_default=""),
    Column("address", String(254), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_at", Float, nullable=False, index=True),
    Column("done_at", Float),
)
"""Mail that waits to be sent, and for a day that was; only `identity.mail` reads and writes it. No link and no code is
in it. `user` and `address` are empty where somebody asked for mail at an account that cannot get any."""

sms_sends: Final = Table(
    "sms_sends",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("prefix", String(16), nullable=False, index=True),
    Column("sent_at", Float, nullable=False, index=True),
    Column("verified_at", Float),
    Column("released_at", Float),
)
"""Codes sent by text message within a day, by the beginning of the number; those from before an operator released it
count no longer against it. Only `identity.sms` reads and writes it."""
