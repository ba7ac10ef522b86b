"""What callers may be called, and what may be said of them: checked once, before anything is stored."""

import base64
import contextlib
import re
import secrets
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any, Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from doorward.controls.authorize.policy import suggestion
from doorward.errors import PolicyError, Taken
from doorward.exchange import CallerKind
from doorward.store import principals

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_WORD: Final = re.compile(r"[!#-\[\]-~]{1,64}")
"""scope-token of RFC 6749 section 3.3; roles are held to it too."""
_AUDIENCE: Final = re.compile(r"[!#-\[\]-~]{1,256}")
_CLAIM: Final = re.compile(r"[A-Za-z0-9_:/.-]{1,128}")
_ID_BYTES: Final = 10
CLAIMS_COUNT: Final = 32
"""Most claims of one caller: every token carries them."""
RESERVED: Final = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "roles", "client_id", "azp", "typ", "cnf", "act"}
    | {"nonce", "at_hash", "c_hash", "s_hash", "events", "htm", "subject"}
    # how somebody signed in is the provider's word alone (RFC 9068 section 2.2.1, RFC 9470)
    | {"acr", "amr", "auth_time", "sid"}
)
"""Claims that only the minting of tokens sets, or that would make a token look like one of another purpose."""


def is_name(text: str) -> bool:
    """Whether a caller could have that name."""
    return _NAME.fullmatch(text) is not None


def require_name(name: str, what: str) -> None:
    """Nothing, for a name that may be given. Errors: PolicyError."""
    if _NAME.fullmatch(name) is None:
        raise PolicyError(
            f"{name!r} is not a name for a {what}", key=what, hint="up to 64 of A-Z a-z 0-9 . _ @ -, as alice"
        )


def require_roles(roles: Iterable[str], known: Iterable[str]) -> list[str]:
    """The roles, all of which are known. Errors: PolicyError: an unknown role would silently allow nothing."""
    found, names = list(roles), list(known)
    for role in found:
        if role not in names:
            near = suggestion(role, names).removeprefix("; ")
            raise PolicyError(f"the policy has no role {role!r}", key="role", hint=near or "add it under `roles`")
    return found


def require_words(words: Iterable[str], what: str) -> list[str]:
    """The roles or scopes, sorted, each once. Errors: PolicyError."""
    found = sorted(set(words))
    for word in found:
        if _WORD.fullmatch(word) is None:
            raise PolicyError(f"{word!r} is not a {what}", key=what, hint="one printable word, as orders:read")
    return found


def require_audience(name: str) -> str:
    """The audience, for one that a client may be allowed to ask for. Errors: PolicyError."""
    if _AUDIENCE.fullmatch(name) is None:
        raise PolicyError(f"{name[:80]!r} is not an audience", key="exchange-audience", hint="one word, as inventory")
    return name


def require_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, for names that are free. Errors: PolicyError."""
    for name in claims:
        if _CLAIM.fullmatch(name) is None or name in RESERVED:
            raise PolicyError(f"{name!r} is not a claim that may be set", key="claim", hint="as account_id=a-1")
    if len(claims) > CLAIMS_COUNT:
        raise PolicyError(f"{len(claims)} claims, {CLAIMS_COUNT} allowed", key="claim")
    return dict(claims)


def new_id(kind: str) -> str:
    """An id of 80 random bits for a key of that kind, which its first letters tell.

    >>> new_id("sig").startswith("sig-")
    True
    """
    return f"{kind}-{base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode('ascii').lower()}"


def register_principal(connection: Connection, name: str, kind: CallerKind) -> None:
    """Nothing; the name is now a caller of that kind. Names are given once over all kinds, keys may share theirs.

    Errors: PolicyError when it is taken.
    """
    existing = connection.execute(select(principals.c.kind).where(principals.c.name == name)).scalar()
    if existing is not None and (kind, existing) == ("api_key", "api_key"):
        return
    if existing is None:
        try:
            connection.execute(insert(principals).values(name=name, kind=kind))
        except IntegrityError:
            existing = "caller"
        else:
            return
    raise Taken(
        f"there is {'an API key' if existing == 'api_key' else 'a ' + existing.replace('_', ' ')} {name!r} already",
        key=kind.replace("_", " "),
        hint="every caller needs a name of its own: two that share one would own each other's objects",
    )


def normal_network(text: str) -> str:
    """The network in its usual form. Errors: PolicyError."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        with contextlib.suppress(ValueError):
            near = ip_network(text, strict=False)
            problem = f"{text!r} is an address within a network"
            raise PolicyError(problem, key="network", hint=f"{near}, or that address alone") from error
        raise PolicyError(f"{text!r} is not a network", key="network", hint="10.1.0.0/16") from error
