"""The issuer's signing keys over time: which one signs, which are published. Decides; reads no clock and no file.

All of it follows from when each key begins to sign (`nbf` in its JWK): a key is published from the moment it stands in
the ring, signs until a younger one of its algorithm does, and stays published until what it signed has expired. So a
ring is right at every moment without anybody doing anything, and there is no step that a crash could leave half done.
Source: ID-32 of the reference; OpenID Connect Core section 10.1.1.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from doorward.errors import PolicyError
from doorward.jose import Algorithm, JoseError, PrivateKey, generate_key, private_key_from_jwk

RETIRED_S: Final = 26 * 3_600.0
"""How long a key is published after it has stopped signing, in seconds: longer than any token it signed lives (an hour
at most, of `doorward token`), and as long as an ID token may come back to end its session (a day at most)."""
AHEAD_LEAST_S: Final = 3_600.0
"""Least time a key is published before it signs, in seconds: many times the 300 s that `/oauth/jwks` may be kept."""


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key and when it begins to sign, Unix seconds."""

    key: PrivateKey
    signs_from: float


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys, never none; the algorithm of the first is the one that access tokens are signed with."""

    keys: tuple[RingKey, ...]

    @classmethod
    def of(cls, keys: Iterable[PrivateKey], *, signs_from: float = 0.0) -> "KeyRing":
        """A ring of keys that begin at once; of several with one algorithm the first signs."""
        return cls(tuple(RingKey(key, signs_from) for key in keys))

    @property
    def algorithm(self) -> Algorithm:
        """What access tokens are signed with."""
        return self.keys[0].key.algorithm

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """All that there are keys for, that of access tokens first."""
        return tuple(dict.fromkeys(each.key.algorithm for each in self.keys))

    def signer(self, now: float, algorithm: Algorithm | None = None) -> PrivateKey | None:
        """The key that signs now; None when there is none of that algorithm.

        Before the first has begun (a clock that was set back), it is the one that begins first.
        """
        mine = self._of(algorithm or self.algorithm)
        if not mine:
            return None
        begun = [each for each in mine if each.signs_from <= now]
        return (max if begun else min)(begun or mine, key=lambda each: each.signs_from).key

    def published(self, now: float) -> tuple[PrivateKey, ...]:
        """The keys that others may need, the one that signs access tokens first."""
        first = self.signer(now)
        living = [each.key for each in self.keys if not self._is_over(each, now)]
        return tuple(sorted(living, key=lambda key: key is not first))

    def access_keys(self, now: float) -> tuple[PrivateKey, ...]:
        """The published keys that access tokens are signed with: all that the gateway has to know."""
        return tuple(key for key in self.published(now) if key.algorithm == self.algorithm)

    def coming(self, now: float, algorithm: Algorithm) -> RingKey | None:
        """The key that is published and does not sign yet."""
        return next((each for each in self._of(algorithm) if each.signs_from > now), None)

    def retires_at(self, ring_key: RingKey) -> float | None:
        """When the key stops signing; None while nobody knows."""
        younger = [
            each.signs_from for each in self._of(ring_key.key.algorithm) if each.signs_from > ring_key.signs_from
        ]
        return min(younger, default=None)

    def is_due(self, now: float, algorithm: Algorithm, *, rotate_s: float, ahead_s: float) -> bool:
        """Whether the next key is to be published now, so that the youngest signs for `rotate_s` and no longer."""
        youngest = max(each.signs_from for each in self._of(algorithm))
        return now >= youngest + rotate_s - ahead_s

    def with_new(self, algorithm: Algorithm, *, signs_from: float) -> "KeyRing":
        """The ring with one more key."""
        return KeyRing((*self.keys, RingKey(generate_key(algorithm), signs_from)))

    def all_new(self, now: float) -> "KeyRing":
        """A ring of new keys alone, one an algorithm, for when the old ones are in wrong hands."""
        return KeyRing(tuple(RingKey(generate_key(algorithm), now) for algorithm in self.algorithms))

    def tidied(self, now: float) -> "KeyRing":
        """The ring without the keys that nobody needs any more, the signing one first."""
        living = [each for each in self.keys if not self._is_over(each, now)]
        first = self.signer(now)
        return KeyRing(tuple(sorted(living, key=lambda each: each.key is not first)))

    def text(self) -> str:
        """The ring as a private JWK set, for a file of mode 0600."""
        return json.dumps({"keys": [{**each.key.jwk(), "nbf": each.signs_from} for each in self.keys]}, indent=2) + "\n"

    def _of(self, algorithm: Algorithm) -> list[RingKey]:
        return [each for each in self.keys if each.key.algorithm == algorithm]

    def _is_over(self, ring_key: RingKey, now: float) -> bool:
        retired = self.retires_at(ring_key)
        return retired is not None and now >= retired + RETIRED_S


def parse_ring(data: bytes, *, undated_from: float) -> KeyRing:
    """The ring in a private JWK set; keys without a date, as `init` makes them, begin at `undated_from`.

    Errors: PolicyError.
    """
    try:
        keys = [_ring_key(member, undated_from) for member in json.loads(data)["keys"]]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = error.problem if isinstance(error, JoseError) else "not a private JWK set"
        raise PolicyError(f"the issuer's keys: {problem}", key="state", hint="restore them from a backup") from error
    if not keys:
        raise PolicyError("the issuer has no key", key="state", hint="restore its keys from a backup")
    return KeyRing(tuple(keys))


def _ring_key(member: dict[str, Any], undated_from: float) -> RingKey:
    signs_from = member.get("nbf", undated_from)
    if isinstance(signs_from, bool) or not isinstance(signs_from, int | float):
        raise JoseError("key", "nbf is not a date")
    return RingKey(private_key_from_jwk(member), float(signs_from))
