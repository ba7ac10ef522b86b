"""The tables. A change here needs a migration beside it in `migrations/versions`; a test compares the two.

Times are Unix seconds. No column holds a secret that could be read: passwords are Argon2id hashes, client secrets and
API keys, which have 256 random bits, SHA-256 hashes; shared secrets of signatures are sealed (`doorward.sealing`).
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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

totp_factors: Final = Table(
    "totp_factors",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("label", String(64), nullable=False),
    Column("seed_sealed", String(256), nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
)
"""Authenticator apps. The seed is sealed for its row; `last_step` only grows, so no code works twice."""

passkeys: Final = Table(
    "passkeys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("credential_hash", String(64), nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("label", String(64), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("factor_only", Boolean, nullable=False, server_default=false()),
    Index("ix_passkeys_credential_hash", "credential_hash", unique=True),
)
"""Passkeys: what their authenticators call them (found by its hash, once over all users) and their public keys.
`factor_only`: it signs in no longer alone, since its user said of a change that it was not theirs."""

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

devices: Final = Table(
    "devices",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), primary_key=True, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
"""Browsers that signed this user in."""

login_counters: Final = Table(
    "login_counters",
    METADATA,
    Column("account", String(64), primary_key=True),
    Column("place", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False, index=True),
    Column("version", Integer, nullable=False),
)
"""Failed guesses; only `identity.risk.counters` reads and writes it. `account` is a keyed hash of what was typed as a
name: people type passwords there."""

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
    Index(
        "ix_events_waiting",
        "id",
        sqlite_where=text("recorded_at IS NULL"),
        postgresql_where=text("recorded_at IS NULL"),
    ),
)
"""What happened to whom, written in the transaction of the change. Until `recorded_at` it waits for the audit trail,
where it stands under its `uid`. `actor`: who did it, where that is not the subject."""

sessions: Final = Table(
    "sessions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("amr", JSON, nullable=False),
    Column("auth_time", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(128), nullable=False),
    Column("revoked_at", Float),
    Column("signs", Integer, nullable=False, server_default="0"),
    Column("hash_before", String(64)),
    Column("renewed_at", Float),
    Index("ix_sessions_hash", "hash", unique=True),
    Index("ix_sessions_hash_before", "hash_before"),
)
"""Login sessions. `id` is for lists; the cookie is kept as `hash` alone, the one replaced at `renewed_at` as
`hash_before`. `signs`: of somebody else having the cookie."""

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

device_grants: Final = Table(
    "device_grants",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("address", String(64), nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("polled_at", Float),
    Column(
        "state", String(8), CheckConstraint("state IN ('pending', 'allowed', 'denied')", name="state"), nullable=False
    ),
    Column("user", String(64), ForeignKey("users.name")),
    Column("session", String(32)),
    Column("auth_time", Float),
    Column("amr", JSON),
)
"""What devices wait for, and what their users said. Both codes are in `single_use`, which alone says whether they may
be used."""

logout_notices: Final = Table(
    "logout_notices",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False, index=True),
    Column("user", String(64), nullable=False),
    Column("session", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_at", Float, nullable=False, index=True),
)
"""Clients still to be told that a session ended; only `identity.logout_notices` reads and writes it."""

consents: Final = Table(
    "consents",
    METADATA,
    Column("user", String(64), ForeignKey("users.name"), primary_key=True),
    Column("client", String(64), ForeignKey("clients.name"), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("granted_at", Float, nullable=False),
)
"""What users allowed clients."""

token_families: Final = Table(
    "token_families",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("client", String(64), ForeignKey("clients.name"), nullable=False),
    Column("session", String(32), nullable=False, index=True),
    Column("scopes", JSON, nullable=False),
    Column("auth_time", Float, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("bound_key", String(43)),
    Column("bound_certificate", String(43)),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
)
"""Everything that came of one authorization: its refresh tokens, one after the other, and its access tokens. Every use
updates its row first, which orders refreshing against revoking."""

issued_tokens: Final = Table(
    "issued_tokens",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column("issuer", String(1024), nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)
"""Access tokens of families while they live, by `jti`: revoking a family revokes them by name."""

authorities: Final = Table(
    "authorities",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), CheckConstraint("kind IN ('root', 'issuing')", name="kind"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("certificate", Text, nullable=False),
    Column("sealed_key", Text),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    CheckConstraint("(kind = 'root') = (sealed_key IS NULL)", name="root_key_elsewhere"),
    Index("ix_authorities_kind", "kind", "generation", unique=True),
)
"""The certificate authority: one root, whose key is not here, and the issuing authorities under it, keys sealed."""

certificates: Final = Table(
    "certificates",
    METADATA,
    Column("serial", String(32), primary_key=True),
    Column("lineage", String(32), nullable=False, index=True),
    Column("name", String(64), nullable=False, index=True),
    Column("kind", String(16), CheckConstraint("kind IN ('client', 'server')", name="kind"), nullable=False),
    Column("authority", String(64), ForeignKey("authorities.id"), nullable=False, index=True),
    Column("certificate", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("names", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("renewed_at", Float),
    Column("revoked_at", Float),
    Column("reason", String(32), nullable=False),
)
"""Certificates that the authority signed. `lineage` is the serial that renewals go back to: what is revoked is revoked
with its successors."""

issuer_links: Final = Table(
    "issuer_links",
    METADATA,
    Column("issuer", String(512), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False, index=True),
    Column("made_account", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
)
"""Accounts at other providers, by (issuer, subject) alone. `made_account`: the user exists because of it."""
