"""The file of the issuer's keys: read, watched, and replaced whole. Several processes may want to change it at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from doorward.errors import PolicyError
from doorward.file_stamp import stamp
from doorward.identity.key_ring import AHEAD_LEAST_S, KeyRing, parse_ring
from doorward.jose import Algorithm
from doorward.private_file import alone_in, read_private, replace_private

FILE_NAME: Final = "issuer.json"
_HINT: Final = "doorward init makes the keys"


def load_ring(path: Path) -> KeyRing:
    """The ring in a file. Errors: PolicyError when there is none, it is broken, or others may read it."""
    try:
        data, changed_at = read_private(path), path.stat().st_mtime
    except FileNotFoundError:
        data, changed_at = None, 0.0
    if data is None:
        raise PolicyError(f"no key to sign with: there is no {path}", key="state", hint=_HINT)
    return parse_ring(data, undated_from=changed_at)


def change_ring(path: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """The ring that is in force from now on: what `change` makes of the one in the file, written if it differs.

    Errors: PolicyError, also those of `change`; OSError when it cannot be written: the old one stays.
    """
    with alone_in(path.parent):
        before = load_ring(path)
        after = change(before)
        if after != before:
            replace_private(path, after.text().encode("ascii"))
    return after


def publish_next(path: Path, *, now: float, ahead_s: float) -> KeyRing:
    """The ring with a next key for every algorithm, which signs from `ahead_s` on.

    Errors: PolicyError when a next key is published already, or `ahead_s` is shorter than others may keep a set.
    """
    if ahead_s < AHEAD_LEAST_S:
        raise PolicyError(
            "a new key has to be published an hour before it signs, or it reaches nobody in time",
            key="ahead",
            hint="1h or more; --compromised when the old key is in wrong hands",
        )

    def change(ring: KeyRing) -> KeyRing:
        for algorithm in ring.algorithms:
            if ring.coming(now, algorithm) is not None:
                raise PolicyError(f"the next {algorithm} key is published already", key="issuer", hint="wait for it")
            ring = ring.with_new(algorithm, signs_from=now + ahead_s)
        return ring.tidied(now)

    return change_ring(path, change)


def replace_all(path: Path, *, now: float) -> KeyRing:
    """A ring of new keys: whatever the old ones signed is void with the next snapshot. Errors: as `change_ring`."""
    return change_ring(path, lambda ring: ring.all_new(now))


def keep_fresh(path: Path, *, now: float, rotate_s: float | None, ahead_s: float) -> KeyRing:
    """The ring with next keys where they are due, and without the keys that are over. Errors: as `change_ring`."""

    def change(ring: KeyRing) -> KeyRing:
        for algorithm in ring.algorithms:
            if rotate_s is not None and ring.is_due(now, algorithm, rotate_s=rotate_s, ahead_s=ahead_s):
                ring = ring.with_new(algorithm, signs_from=now + ahead_s)
        return ring.tidied(now)

    return change_ring(path, change)


def require_algorithm(path: Path, algorithm: Algorithm, *, now: float) -> KeyRing:
    """The ring, with a key of that algorithm. A first one signs at once: nobody keeps a set that lacks it for it.

    Errors: as `change_ring`.
    """

    def change(ring: KeyRing) -> KeyRing:
        return ring if algorithm in ring.algorithms else ring.with_new(algorithm, signs_from=now)

    return change_ring(path, change)


class WatchedRing:
    """The ring in a file, as it is now. A file that cannot be used leaves the ring that was."""

    __slots__ = ("_path", "_stamp", "ring")

    def __init__(self, path: Path) -> None:
        """Errors: PolicyError."""
        self._path = path
        self._stamp = stamp(path)
        self.ring = load_ring(path)

    def refresh(self) -> bool:
        """Whether another ring is in force now. Errors: PolicyError once for each file that cannot be used."""
        found = stamp(self._path)
        if found == self._stamp:
            return False
        self._stamp = found
        before, self.ring = self.ring, load_ring(self._path)
        return [each.key.id for each in before.keys] != [each.key.id for each in self.ring.keys]
