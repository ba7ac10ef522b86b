"""Who may call: people, programs, API keys, and the keys that callers sign with and are answered under."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
)

from doorward.store.tables.metadata import METADATA

principals: Final = Table(
    "principals",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("kind", String(16), CheckConstraint("kind IN ('user', 'client', 'api_key')", name="kind"), nullable=False),
)
"""Every subject once, whatever its kind: a client named like a user would own that user's objects (RFC 9068
section 5). The primary key makes it hold under races too."""

users: Final = Table(
    "users",
    METADATA,
    Column("name", String(64), ForeignKey("principals.name"), primary_key=True),
    Column("password_hash", String(256)),
    Column("roles", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
    Column("email", String(254)),
    Column("email_verified_at", Float),
    Column("old_passwords", JSON, nullable=False, server_default="[]"),
    Column("email_held", String(254)),
    Column("email_held_until", Float),
    Column("email_before", String(254)),
    Column("email_before_until", Float),
    Column("phone", String(16)),
    Column("phone_verified_at", Float),
)
"""`email_held` waits to be the address; `email_before` was it and can be given back (`identity.address_holds`)."""

clients: Final = Table(
    "clients",
    METADATA,
    Column("name", String(64), ForeignKey("principals.name"), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
    Column("kind", String(16), nullable=False, server_default="confidential"),
    Column("title", String(64), nullable=False, server_default=""),
    Column("redirect_uris", JSON, nullable=False, server_default="[]"),
    Column("trusted", Boolean, nullable=False, server_default=false()),
    Column("pushed_only", Boolean, nullable=False, server_default=false()),
    Column("authentication", String(32), nullable=False, server_default="client_secret"),
    Column("jwks", JSON, nullable=False, server_default="[]"),
    Column("jwks_uri", String(1024), nullable=False, server_default=""),
    Column("post_logout_redirect_uris", JSON, nullable=False, server_default="[]"),
    Column("backchannel_logout_uri", String(512), nullable=False, server_default=""),
    Column("id_token_algorithm", String(16)),
    Column("device", Boolean, nullable=False, server_default=false()),
    Column("exchange_audiences", JSON, nullable=False, server_default="[]"),
    Column("tls_field", String(16), nullable=False, server_default=""),
    Column("tls_value", String(512), nullable=False, server_default=""),
    Column("registration_hash", String(64), nullable=False, server_default=""),
)
"""`kind`: `confidential` or `public`. `authentication`: the one way in which the client proves itself; where that is no
secret, the hash is empty and matches nothing."""

registration_tokens: Final = Table(
    "registration_tokens",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index("ix_registration_tokens_hash", "hash", unique=True),
)
"""Initial access tokens (RFC 7591), by which programs may register themselves as clients."""

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), ForeignKey("principals.name"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, index=True, unique=True),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("networks", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("form", String(16), nullable=False, server_default="doorward"),
    Column("prefix", String(32), nullable=False, server_default=""),
    Column("last_used_at", Float),
)
"""`form`: `doorward`, or `sha256` and `sha512` for keys made elsewhere: which of their hashes we were given. `hash` is
the SHA-256 of the key, of its SHA-512 where that is what we were given; unique, so that no key is two callers'."""

signature_keys: Final = Table(
    "signature_keys",
    METADATA,
    Column("id", String(128), primary_key=True),
    Column("name", String(64), ForeignKey("principals.name"), nullable=False, index=True),
    Column("algorithm", String(32), nullable=False),
    Column("purpose", String(16), CheckConstraint("purpose IN ('rfc9421', 'hmac')", name="purpose"), nullable=False),
    Column("public_key", Text),
    Column("sealed_secret", Text),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("networks", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    CheckConstraint("(public_key IS NULL) <> (sealed_secret IS NULL)", name="one_key"),
)
"""Keys that partners sign requests with: a public key, or a shared secret sealed with the installation's key."""

encryption_keys: Final = Table(
    "encryption_keys",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(256), nullable=False, index=True),
    Column("issuer", String(1024), nullable=False),
    Column("algorithm", String(32), nullable=False),
    Column("public_key", Text),
    Column("sealed_secret", Text),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    CheckConstraint("(public_key IS NULL) <> (sealed_secret IS NULL)", name="one_key"),
)
"""Keys of callers, to encrypt answers to: a public key as a JWK, or a sealed secret. `issuer` gave the name; empty:
this installation."""

revocations: Final = Table(
    "revocations",
    METADATA,
    Column(
        "kind",
        String(16),
        CheckConstraint("kind IN ('token', 'subject', 'client', 'key')", name="kind"),
        primary_key=True,
    ),
    Column("issuer", String(1024), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("revoked_at", Float, nullable=False),
    Column("expires_at", Float),
)
"""What was revoked before its time. After `expires_at` it is void by itself; NULL: revoked for good."""
