"""What callers may do now, where it changed while tokens live that say something else: no token may say more."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doorward.exchange import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is true of one caller of the local issuer since their rights were changed."""

    roles: frozenset[str]
    scopes: frozenset[str] | None
    """None: not bounded here."""
    claims: Mapping[str, Any]
    gone: frozenset[str]
    """Names of claims that no token of theirs may carry any longer."""

    def covers(self, caller: Caller) -> bool:
        """Whether a token that says this of its caller still says nothing untrue. One that says less is good."""
        said = caller.claims
        return (
            caller.roles <= self.roles
            and (self.scopes is None or caller.scopes <= self.scopes)
            and self.gone.isdisjoint(said)
            and all(said[name] == value for name, value in self.claims.items() if name in said)
        )


def load_standing(records: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    """By `Caller.key`. Errors: KeyError, TypeError for records of a wrong form."""
    return {
        f"{record['issuer']}|{record['subject']}": Standing(
            roles=frozenset(record["roles"]),
            scopes=None if record["scopes"] is None else frozenset(record["scopes"]),
            claims=dict(record["claims"]),
            gone=frozenset(record["gone"]),
        )
        for record in records
    }
