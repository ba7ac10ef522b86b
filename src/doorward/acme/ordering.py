"""One order: names shown to be ours, a request with a new key, the certificate checked before anybody is shown it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from doorward.acme.client import AcmeClient, object_of, retry_after_s
from doorward.acme.errors import AcmeError, error_of
from doorward.jose import encode_segment

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""
_LOOKS: Final = 30
"""How often it is looked whether the server has made up its mind."""
_PAUSE_S: Final = 2.0
_PAUSE_MOST_S: Final = 30.0
_CHAIN_MOST: Final = 8
_SKEW: Final = timedelta(minutes=5)
"""How far the server's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A certificate with its chain and key, in one PEM text."""

    certificate: x509.Certificate
    pem: bytes = field(repr=False)


async def obtain(
    client: AcmeClient, names: Sequence[str], *, clock: Callable[[], datetime], pause: Pause, replaces: str = ""
) -> Obtained:
    """A new certificate for exactly these names, with a new key.

    `replaces` names the one it takes the place of (RFC 9773 section 5), or is empty.
    Errors: AcmeError.
    """
    wanted: dict[str, Any] = {"identifiers": [{"type": "dns", "value": name} for name in names]}
    if replaces:
        wanted["replaces"] = replaces
    made = await client.post_to("newOrder", wanted)
    order, place = object_of(made), made.headers.get("location", "")
    authorizations = _texts(order, "authorizations")
    if len(authorizations) > len(names):
        raise AcmeError("answer", f"the server wants {len(authorizations)} proofs for {len(names)} names")
    for authorization in authorizations:
        await _prove(client, authorization, pause)
    await _settled(client, place, {"ready", "valid"}, pause)
    key = ec.generate_private_key(ec.SECP256R1())
    request = encode_segment(_request(key, names)).decode("ascii")
    await client.post(_text(order, "finalize"), {"csr": request})
    order = await _settled(client, place, {"valid"}, pause)
    answer = await client.post(_text(order, "certificate"), None)
    return _checked(answer.body, key, names, clock())


async def _prove(client: AcmeClient, authorization: str, pause: Pause) -> None:
    """Nothing, once the server has seen that a name's web server answers as the account would have it."""
    found = object_of(await client.post(authorization, None))
    if found.get("status") == "valid":
        return
    challenges = [one for one in _challenges(found) if one.get("type") == "http-01"]
    if not challenges:
        raise AcmeError("answer", f"the server offers no http-01 for {found.get('identifier')}")
    await client.post(_text(challenges[0], "url"), {})
    try:
        await _settled(client, authorization, {"valid"}, pause)
    except AcmeError as error:
        raise AcmeError(
            error.kind, f"{found.get('identifier')} was not proved: {error}", retry_after_s=error.retry_after_s
        ) from error


async def _settled(client: AcmeClient, url: str, wanted: set[str], pause: Pause) -> Mapping[str, Any]:
    """The order or authorization once it has a wanted status. Errors: AcmeError when it will never have it, or late."""
    for _ in range(_LOOKS):
        answer = await client.post(url, None)
        found = object_of(answer)
        status = found.get("status")
        if status in wanted:
            return found
        if status not in {"pending", "processing", "ready"}:
            raise _reason(found)
        await pause(min(retry_after_s(answer) or _PAUSE_S, _PAUSE_MOST_S))
    raise AcmeError("answer", "the server did not make up its mind")


def _reason(found: Mapping[str, Any]) -> AcmeError:
    for document in (found, *_challenges(found)):
        if isinstance(document.get("error"), dict):
            return error_of(document["error"], 200)
    return AcmeError("answer", f"it is {found.get('status')!r}")


def _challenges(authorization: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = authorization.get("challenges")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _request(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _checked(chain: bytes, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> Obtained:
    """What came, once it is what was asked for: nobody is shown it else. Errors: AcmeError."""
    try:
        found = x509.load_pem_x509_certificates(chain)
        leaf = found[0]
        called = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        public = leaf.public_key()
    except (ValueError, x509.ExtensionNotFound) as error:
        raise AcmeError("answer", f"what came is no certificate: {error}") from error
    if public != key.public_key():
        raise AcmeError("answer", "the certificate that came is for another key")
    if len(found) > _CHAIN_MOST or set(called.get_values_for_type(x509.DNSName)) != set(names):
        raise AcmeError("answer", "the certificate that came has other names than asked for, or a very long chain")
    if not leaf.not_valid_before_utc - _SKEW <= now < leaf.not_valid_after_utc:
        raise AcmeError("answer", "the certificate that came is not in force")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Written anew, not as it came: a text between the certificates is nobody's business.
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in found)
    return Obtained(leaf, private + pem)


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str):
        raise AcmeError("answer", f"there is no {name} in what the server says")
    return found


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise AcmeError("answer", f"there is no {name} in what the server says")
    return found
