"""FAPI 2.0 Message Signing, final: signed request objects, which Doorward does not take (`request_not_supported`)."""

from typing import Final

from tests.conformance.scorecard import not_applicable

_REASON: Final = "no request objects are taken (`request_parameter_supported` is false); requests are pushed"
_MODULES: Final = {
    "ensure-request-object-with-multiple-aud-succeeds": "An aud array that holds the issuer and others is accepted.",
    "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted": "nbf 8 s ahead is accepted.",
    "ensure-request-object-without-exp-fails": "No exp: refused.",
    "ensure-request-object-without-nbf-fails": "No nbf: refused.",
    "ensure-expired-request-object-fails": "Expired: refused.",
    "ensure-request-object-with-bad-aud-fails": "Wrong aud: refused.",
    "ensure-request-object-with-exp-over-60-fails": "exp 70 minutes ahead: refused.",
    "ensure-request-object-with-nbf-over-60-fails": "nbf 70 minutes ago: refused.",
    "ensure-signed-request-object-with-RS256-fails": "Signed with RS256: refused.",
    "ensure-request-object-signature-algorithm-is-not-none": "alg none: refused.",
    "ensure-request-object-with-invalid-signature-fails": "Bad signature: refused.",
    "ensure-matching-key-in-authorization-request": "Signed by another client's key: refused.",
    "ensure-unsigned-request-at-par-endpoint-fails": "Plain parameters at PAR where a signed object is required: refused.",
    "par-authorization-request-containing-request_uri": "request_uri inside the request object: refused.",
}

for _name, _summary in _MODULES.items():
    not_applicable(__name__, f"fapi2-security-profile-final-{_name}", _summary, _REASON)
