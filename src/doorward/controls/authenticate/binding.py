"""What a token is bound to (`cnf`, RFC 7800), and what its bearer must show for it."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from doorward.controls.authenticate.challenge import Challenges
from doorward.controls.authenticate.policy import ProofDemand
from doorward.exchange import ClientCertificate
from doorward.jose import JoseError

_THUMBPRINT_CHARACTERS: Final = 43
_METHODS: Final = frozenset({"jkt", "x5t#S256"})


class Binding:
    """The key and the certificate a token is bound to; empty texts for what it is not."""

    __slots__ = ("certificate", "key")

    def __init__(self, key: str, certificate: str) -> None:
        self.key = key
        """Thumbprint of the key that proofs must be made with (`jkt`, RFC 9449 section 6.1)."""
        self.certificate = certificate
        """Thumbprint of the certificate the connection must be made with (`x5t#S256`, RFC 8705 section 3.1)."""


UNBOUND: Final = Binding("", "")


def binding_of(claims: Mapping[str, Any]) -> Binding:
    """What a verified token is bound to.

    Errors: JoseError `claims` for a `cnf` that says anything else: to pass over it would make a bearer token of one
    that its issuer meant to be none.
    """
    if "cnf" not in claims:
        return UNBOUND
    confirmation = claims["cnf"]
    if not isinstance(confirmation, Mapping) or not confirmation or not _METHODS.issuperset(confirmation):
        raise JoseError("claims", "cnf binds the token in a way that cannot be checked")
    for value in confirmation.values():
        if not isinstance(value, str) or len(value) != _THUMBPRINT_CHARACTERS or not value.isascii():
            raise JoseError("claims", "cnf is no thumbprint of SHA-256")
    return Binding(confirmation.get("jkt", ""), confirmation.get("x5t#S256", ""))


def require_demanded(binding: Binding, demand: ProofDemand, challenges: Challenges) -> None:
    """Nothing, when the token is bound as the policy demands. Errors: Denied `authenticate.token_unbound`."""
    if demand == "if_bound":
        return
    is_met = {"any": binding.key or binding.certificate, "dpop": binding.key, "certificate": binding.certificate}
    if not is_met[demand]:
        raise challenges.token("token_unbound", f"the token is bound to no key of the kind demanded ({demand})")


def require_certificate(binding: Binding, shown: ClientCertificate | None, challenges: Challenges) -> None:
    """Nothing, when the connection was made with the certificate the token is bound to.

    Only the certificate of the TLS handshake counts: what a header says about one, anybody can write.
    Errors: Denied `authenticate.certificate_missing`, `.certificate_mismatch`. Source: RFC 8705 section 3.
    """
    if shown is None:
        raise challenges.token("certificate_missing", "the token is bound to a certificate and none was shown")
    if not hmac.compare_digest(shown.thumbprint, binding.certificate):
        raise challenges.token("certificate_mismatch", f"the token is not bound to certificate {shown.thumbprint}")
