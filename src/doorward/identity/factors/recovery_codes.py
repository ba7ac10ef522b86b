"""Recovery codes: for whoever lost the other factor. 120 random bits each, kept as a hash, good once.

Source: OWASP ASVS 5.0 6.5.2 (112 bits and more need no password hash).
"""

import base64
import secrets
from typing import Final

from sqlalchemy import Connection

from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue, void

CODES_COUNT: Final = 10
_CODE_BYTES: Final = 15
_GROUP: Final = 4


def replace_codes(connection: Connection, user: str, *, now: float) -> list[str]:
    """New codes of the user, shown only now; the old ones are void."""
    void(connection, Purpose.RECOVERY_CODE, user, now=now)
    codes = [base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode("ascii") for _ in range(CODES_COUNT)]
    for code in codes:
        issue(
            connection,
            Purpose.RECOVERY_CODE,
            now=now,
            lifetime_s=LONGEST_LIFE_S[Purpose.RECOVERY_CODE],
            subject=user,
            secret=_bound(user, code),
        )
    return ["-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP)).lower() for code in codes]


def spend_code(connection: Connection, user: str, code: str, *, now: float) -> bool:
    """Whether it was an unused code of that user; it is used now. Another user's is not touched."""
    return consume(connection, Purpose.RECOVERY_CODE, _bound(user, code), now=now) is not None


def _bound(user: str, code: str) -> str:
    # the user is part of what is hashed: a code tried at the wrong account is neither accepted nor spent
    return f"{user}\n{''.join(code.split()).replace('-', '').upper()}"
