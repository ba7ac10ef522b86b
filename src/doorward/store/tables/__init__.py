"""The tables, a file for each subject. A change needs a migration beside it in `migrations/versions`; a test compares.

Times are Unix seconds. No column holds a secret that could be read: passwords are Argon2id hashes, client secrets and
API keys, which have 256 random bits, SHA-256 hashes; shared secrets of signatures are sealed (`doorward.sealing`).
"""

from doorward.store.tables import authority, callers, grants, signing_in, spending, waiting
from doorward.store.tables.metadata import METADATA

__all__ = ["METADATA", "authority", "callers", "grants", "signing_in", "spending", "waiting"]
