"""What Doorward keeps of callers: users, their factors and logins, clients, API keys, revocations, as SQL tables.

SQLite by default, PostgreSQL by URL; the statements are the same. Only the control process and the command line open
it: workers live from snapshots. Nothing here decides; `identity` does.
"""

from doorward.store.opening import Store, open_store
from doorward.store.tables import METADATA
from doorward.store.tables.authority import authorities, certificates
from doorward.store.tables.callers import (
    api_keys,
    clients,
    encryption_keys,
    principals,
    registration_tokens,
    revocations,
    signature_keys,
    users,
)
from doorward.store.tables.grants import consents, device_grants, issued_tokens, logout_notices, token_families
from doorward.store.tables.signing_in import devices, issuer_links, login_counters, passkeys, sessions, totp_factors
from doorward.store.tables.waiting import events, mails, sms_sends
from doorward.store.watching import Watch

__all__ = [
    "METADATA",
    "Store",
    "Watch",
    "api_keys",
    "authorities",
    "certificates",
    "clients",
    "consents",
    "device_grants",
    "devices",
    "encryption_keys",
    "events",
    "issued_tokens",
    "issuer_links",
    "login_counters",
    "logout_notices",
    "mails",
    "open_store",
    "passkeys",
    "principals",
    "registration_tokens",
    "revocations",
    "sessions",
    "signature_keys",
    "sms_sends",
    "token_families",
    "totp_factors",
    "users",
]
