"""The directory the demonstration guards from: policy, description, keys, people and their tokens."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.demo.bank.data import ALICE_ACCOUNT, BOB_ACCOUNT
from doorward.identity.clients import add_client
from doorward.identity.revoking import revoke
from doorward.identity.tokens import AccessToken, Minter
from doorward.identity.users import add_user
from doorward.jose import load_private_keys
from doorward.policy.loading import load_policy
from doorward.store import Store, open_store

MakeState = Callable[[Path], None]
"""Makes a new state directory: what `doorward init` does."""

_HERE: Final = Path(__file__).parent
_ANY: Final = "127.0.0.1:0"
"""Any free port."""
_LIFETIME_S: Final = 3600
_USERS: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("alice", "customer", {"account_id": ALICE_ACCOUNT}),
    ("bob", "customer", {"account_id": BOB_ACCOUNT}),
    ("carol", "support", {}),
    ("root", "admin", {}),
)
_CLIENTS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("reporter", "reporter", ("reports:read",)),
    ("app", "app", ()),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A directory ready for `doorward run`."""

    directory: Path
    tokens: Mapping[str, str] = field(repr=False)

    @property
    def policy(self) -> Path:
        """The policy file."""
        return self.directory / "doorward.yaml"

    @property
    def trail(self) -> Path:
        """Where the audit trail is kept."""
        return self.directory / ".doorward" / "audit"

    @property
    def audit_key(self) -> Path:
        """The public key that verifies the trail."""
        return self.directory / ".doorward" / "keys" / "audit.pub"


def make_site(directory: Path, *, bank_url: str, gateway_address: str, make_state: MakeState) -> Site:
    """A site in `directory`: what an operator has after `doorward init`, `doorward user add` and the rest."""
    directory.mkdir()
    make_state(directory / ".doorward")
    shutil.copyfile(_HERE / "bank" / "openapi.yaml", directory / "openapi.yaml")
    policy_file = directory / "doorward.yaml"
    text = (_HERE / "doorward.yaml").read_text(encoding="utf-8")
    addresses = {
        "BANK_URL": bank_url,
        "GATEWAY_ADDRESS": gateway_address,
        "ISSUER_ADDRESS": _ANY,
        "PLAIN_ADDRESS": _ANY,
    }
    for name, value in addresses.items():
        text = text.replace("${" + name + "}", value)
    policy_file.write_text(text, encoding="utf-8")
    policy = load_policy(policy_file)
    minter = Minter(
        key=load_private_keys(policy.state / "keys" / "issuer.json")[0],
        issuer=policy.issuer.url,
        audience=LOCAL_AUDIENCE,
    )
    store = open_store(f"sqlite:///{policy.state / 'store.db'}")
    try:
        return Site(directory, _tokens(store, minter))
    finally:
        store.close()


def _tokens(store: Store, minter: Minter) -> dict[str, str]:
    """A token for each person; and two of alice's that are no longer good."""
    now = time.time()
    tokens: dict[str, str] = {}
    for name, role, claims in _USERS:
        add_user(store, name, now=now, roles=(role,), claims=claims)
        token = minter.mint(name, client_id="app", now=now, roles=(role,), claims=claims, lifetime_s=_LIFETIME_S)
        tokens[name] = token.text
    for name, role, scopes in _CLIENTS:
        add_client(store, name, now=now, roles=(role,), scopes=scopes)
        token = minter.mint(name, client_id=name, now=now, roles=(role,), scopes=scopes, lifetime_s=_LIFETIME_S)
        tokens[name] = token.text
    tokens["expired"] = _mint_alice(minter, now - 2 * _LIFETIME_S).text
    stolen = _mint_alice(minter, now)
    revoke(store, "token", minter.issuer, stolen.id, now=now, expires_at=stolen.expires_at)
    tokens["revoked"] = stolen.text
    return tokens


def _mint_alice(minter: Minter, now: float) -> AccessToken:
    claims = {"account_id": ALICE_ACCOUNT}
    return minter.mint("alice", client_id="app", now=now, roles=("customer",), claims=claims, lifetime_s=_LIFETIME_S)
