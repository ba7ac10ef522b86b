"""People sign in with `oidc-provider`, a provider that others wrote and the OpenID Foundation certified."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from tests.interop import node
from tests.interop.person import Person
from tests.interop.world import PASSWORD, running
from tests.loopback import free_port

from doorward.identity.users import get_user
from doorward.store import open_store

pytestmark = [
    pytest.mark.skipif(not node.IS_INSTALLED, reason="make .venv/.npm installs the provider"),
    pytest.mark.timeout(180),
]
FEDERATION = """
  federation:
    - name: corp
      title: The corporation
      issuer: '{issuer}'
      client_id: doorward
      client_secret_file: corp.secret
      algorithms: [RS256]
      accounts: created
      roles: {{clerk: reader}}
"""


@contextmanager
def provider(directory: Path, authority: trustme.CA, callback: str) -> Iterator[str]:
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(directory / "other.key"))
    certificate.cert_chain_pems[0].write_to_path(str(directory / "other.pem"))
    port = free_port()
    command = [str(node.PROGRAM), "oidc_provider.mjs", str(port), str(directory / "other.key")]
    with subprocess.Popen(
        [*command, str(directory / "other.pem"), callback],
        cwd=node.FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            while line := process.stdout.readline():
                if line.strip() == "ready":
                    break
            assert line, "the provider ended at once"
            yield f"https://127.0.0.1:{port}"
        finally:
            process.kill()


def test_somebody_nobody_knew_signs_in_there_and_has_an_account_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "other-ca.pem"))
    (tmp_path / "corp.secret").write_text("s e%c:ret-of-the-test-only\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other-ca.pem"))
    issuer = f"https://127.0.0.1:{free_port()}"
    with provider(tmp_path, authority, f"{issuer}/auth/external/corp/callback") as other:
        federation = FEDERATION.format(issuer=other) + "insecure_issuer_networks: [127.0.0.0/8]\n"
        with running(tmp_path, issuer=issuer, federation=federation) as world:
            trust = ssl.create_default_context(cafile=str(world.authority))
            authority.configure_trust(trust)
            with Person(issuer, "carol", PASSWORD, trust, also=(other,)) as person:
                assert "Sign in with The corporation" in person.get(f"{issuer}/auth/login").text
                assert person.visit(f"{issuer}/auth/external/corp") == f"{issuer}/account"
                assert "Signed in as <strong>carol</strong>" in person.get(f"{issuer}/account").text
            store = open_store(world.store)
            assert get_user(store, "carol").roles == ("reader",)
            store.close()
