"""What may be used once."""

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Float, String, Table

from doorward.store.tables.metadata import METADATA

single_use: Final = Table(
    "single_use",
    METADATA,
    Column(
        "purpose",
        String(32),
        CheckConstraint(
            "purpose IN ('authorization_request', 'pushed_request', 'authorization_code', 'refresh_token', "
            "'login_step', 'enrolment', 'recovery_code', 'password_reset', 'proof_id', "
            "'passkey_challenge', 'device_code', 'user_code', 'admin_login', 'admin_session', "
            "'external_login', 'email_verification', 'not_me', 'mail_code', 'sms_code')",
            name="purpose",
        ),
        primary_key=True,
    ),
    Column("hash", String(64), primary_key=True),
    Column("subject", String(64), index=True),
    Column("payload", JSON, nullable=False),
    Column("issued_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("keep_until", Float, nullable=False, index=True),
    Column("used_at", Float),
)
"""Everything that may be spent once; only `store.single_use` reads and writes it."""
