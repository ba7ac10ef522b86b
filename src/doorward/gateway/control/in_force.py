"""The policy in force, and the snapshot that says it to the workers."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from doorward.controls.authenticate import IssuerPolicy, takes_secrets
from doorward.errors import PolicyError
from doorward.gateway.control.outliving import tell
from doorward.gateway.control.state import State
from doorward.gateway.external_keys import ExternalKeys, kept_sets
from doorward.gateway.publisher import SNAPSHOT_NAME, Checked, Publisher, last_published, load_checked
from doorward.identity.publishing import published_credentials
from doorward.outbound import Network, OutboundClient
from doorward.policy.document import Policy
from doorward.policy.tls import AcmeSettings

_HOUR_S: Final = 3600


class InForce:
    """What holds now: a policy, and the keys of other issuers that it names."""

    def __init__(self, policy_file: Path, state: Path, workers: int) -> None:
        """Errors: PolicyError when nothing can be started from: no good policy, no good snapshot of an earlier run."""
        path = state / SNAPSHOT_NAME
        last = last_published(path)
        try:
            checked = load_checked(policy_file)
        except PolicyError as error:
            # A policy that broke while we ran (and were restarted) must not take the gateway down.
            if last is None:
                raise
            tell(error, "policy refused, going on with the one in force")
            checked = last[0]
        self._publisher = Publisher(path, policy_file, checked.run_by(workers), last[1] if last else None)
        self.keys = ExternalKeys(outbound(checked.policy), kept_sets(last[1]) if last else {})
        self._remembered, self._store = checked.policy.memory, checked.policy.store
        """Of the policy that we started with."""

    @property
    def policy(self) -> Policy:
        """As it is now; another one after the next reload."""
        return self._publisher.checked.policy

    @property
    def acme(self) -> AcmeSettings | None:
        """How certificates for public names are got; None where they are not."""
        return None if self.policy.tls is None else self.policy.tls.acme

    def adopt(self, checked: Checked) -> None:
        """Another policy holds from now on. Errors: PolicyError for one that needs a new start."""
        if checked.policy.memory != self._remembered:
            # Others would take us for a host that tells them what was used once, or tell it to another memory.
            problem = "where hosts remember together cannot change while they run"
            raise PolicyError(problem, key="limits.shared", hint="restart all hosts")
        if checked.policy.store != self._store:
            raise PolicyError("the store cannot change while it is open", key="store", hint="restart Doorward")
        self._publisher.adopt(checked)
        self.keys.client = outbound(checked.policy)

    async def fetch_keys(self, now: float) -> bool:
        """Whether other issuers that were due have other keys than before."""
        before = dict(self.keys.sets)
        await self.keys.refresh(self._issuers(), now)
        return self.keys.sets != before

    def publish(self, state: State, now: float, *, acme_thumbprint: str) -> None:
        """Publish a snapshot if anything in it changed. Errors: OSError, PolicyError, SQLAlchemyError."""
        credentials = published_credentials(
            state.store,
            state.ring.ring.access_keys(now),
            issuer=self.policy.issuer.url,
            now=now,
            external=self.keys.current(self._issuers(), now),
            with_clients=any(takes_secrets(each) for each in self._publisher.checked.description.operations),
        )
        fetched = {name: int(kept.fetched_at) // _HOUR_S * _HOUR_S for name, kept in self.keys.sets.items()}
        self._publisher.publish(credentials, fetched, acme_thumbprint=acme_thumbprint)

    def _issuers(self) -> list[IssuerPolicy]:
        return [issuer for issuer in self.policy.issuers if issuer != "local" and issuer.signs]


def outbound(policy: Policy) -> OutboundClient:
    """The client for what issuers and clients have written down."""
    return OutboundClient(allowed_networks=networks(policy.insecure_issuer_networks))


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as a policy writes them."""
    return tuple(ip_network(text) for text in texts)
