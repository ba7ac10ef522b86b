"""Profiles: what an identity provider must not do less than, by the standards that contradict each other.

`baseline` holds always; each other one is stricter in some rows; of several the stricter value of each row wins.
Source: section 5 of the reference; FAPI 2.0 Security Profile; PCI DSS 4.0.1 section 8; OWASP ASVS 5.0 V6, V7.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, Literal, NamedTuple, TypeAlias

from doorward.jose import ALGORITHM_NAMES, ALGORITHMS, Algorithm

ProfileName: TypeAlias = Literal["baseline", "strict", "fapi2", "pci"]
_BY_KEY: Final = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})
_FAPI_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "PS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One value a row of the table."""

    proves_by_key: bool = False
    """Clients are confidential and prove themselves by a key or certificate, never by a secret."""
    pushed_only: bool = False
    """Requests for authorization are pushed (RFC 9126)."""
    sender_constrained: bool = False
    """Every token is bound to a key or certificate. Refresh tokens then stay, as FAPI 2.0 wants it."""
    without_rs256: bool = False
    """Nothing is signed with RS256, and no proof taken that is."""
    access_s: int = 600
    code_s: float = 60.0
    refresh_s: float = 30 * 86_400.0
    """Longest life of what comes of one authorization."""
    idle_s: float = 3_600.0
    """A login session without use."""
    session_s: float = 86_400.0
    """A login session in all."""
    step_up_count: int = 20
    """Guesses at an account after which a browser that never signed in there needs more than the password."""

    second_factor_always: bool = False
    """Whoever has shown a password alone gets to their account page and nowhere else."""
    totp_steps_back: int = 1
    """Steps of an authenticator app that count beside the current one (OWASP ASVS 5.0 6.5.5)."""
    unused_s: float = math.inf
    """Time without use after which an account is disabled (PCI DSS 8.2.6), in seconds."""
    letters_and_digits: bool = False
    """Passwords hold both (PCI DSS 8.3.6)."""
    refuses_last_four: bool = False
    """A new password is none of the last four (PCI DSS 8.3.7)."""

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """What may be signed with."""
        return _FAPI_ALGORITHMS if self.without_rs256 else ALGORITHMS

    @property
    def proof_algorithms(self) -> tuple[str, ...]:
        """What proofs of possession may be signed with, under every name it goes by."""
        return tuple(name for name in ALGORITHM_NAMES if name != "RS256" or not self.without_rs256)

    def takes(self, authentication: str) -> bool:
        """Whether clients may prove themselves so."""
        return authentication in _BY_KEY or not self.proves_by_key


BASELINE: Final = Profile()
_FAPI2: Final = Profile(proves_by_key=True, pushed_only=True, sender_constrained=True, without_rs256=True)
PROFILES: Final[dict[ProfileName, Profile]] = {
    "baseline": BASELINE,
    "fapi2": _FAPI2,
    "pci": Profile(
        idle_s=900.0, step_up_count=10, letters_and_digits=True, refuses_last_four=True, unused_s=90 * 86_400.0
    ),
    "strict": Profile(
        proves_by_key=True,
        pushed_only=True,
        sender_constrained=True,
        without_rs256=True,
        access_s=300,
        code_s=30.0,
        refresh_s=8 * 3_600.0,
        idle_s=900.0,
        session_s=12 * 3_600.0,
        step_up_count=10,
        second_factor_always=True,
        totp_steps_back=0,
    ),
}


def profile_of(names: Iterable[ProfileName]) -> Profile:
    """The stricter value of each row: a claim that holds in one holds, of two numbers the smaller one.

    >>> profile_of(["fapi2", "pci"]).idle_s, profile_of(["fapi2", "pci"]).pushed_only
    (900.0, True)
    """
    found = [BASELINE, *(PROFILES[name] for name in names)]
    rows: dict[str, bool | int | float] = {}
    for row in fields(Profile):
        values = [getattr(each, row.name) for each in found]
        rows[row.name] = any(values) if isinstance(values[0], bool) else min(values)
    return Profile(**rows)  # type: ignore[arg-type] # each value has the type of its own row


class Deviation(NamedTuple):
    """A row of a profile that is met in another way, or not at all."""

    profile: ProfileName
    row: str
    reason: str


DEVIATIONS: Final = (
    Deviation("pci", "letters and digits in passwords (8.3.6)", "enforced; NIST SP 800-63B-4 advises against it"),
    Deviation("pci", "locked at 10 (8.3.4)", "until a second factor confirms who it is; known browsers go on"),
    Deviation("strict", "Unicode exactly as received", "NFKC, as NIST wants it"),
)
"""Every row that is not simply enforced. `doorward check` tells those of the profiles in force."""
