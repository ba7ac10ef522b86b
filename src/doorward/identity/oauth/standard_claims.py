"""What userinfo tells of a user by the standard scopes: those of their own claims that OpenID gave a meaning to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

CLAIMS_OF_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""OpenID Connect Core section 5.4. `sub` is told always, `preferred_username` with `profile`: the user's name."""


def told(user: str, claims: Mapping[str, Any], scopes: Iterable[str]) -> dict[str, Any]:
    """The answer of userinfo, from the claims the operator gave the user.

    >>> told("alice", {"email": "a@example.com", "address": "1 Main Street"}, ["openid", "address"])
    {'sub': 'alice', 'address': {'formatted': '1 Main Street'}}
    """
    granted = set(scopes)
    answer: dict[str, Any] = {"sub": user}
    if "profile" in granted:
        answer["preferred_username"] = user
    for scope, names in CLAIMS_OF_SCOPES.items():
        if scope in granted:
            answer |= {name: claims[name] for name in names if name in claims}
    if isinstance(answer.get("address"), str):
        # an address is an object (section 5.1.1); the command line gives texts
        answer["address"] = {"formatted": answer["address"]}
    return answer
