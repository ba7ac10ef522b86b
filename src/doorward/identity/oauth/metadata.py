"""What the provider says of itself (RFC 8414, OpenID Connect Discovery), from the same lists the code decides by."""

from typing import Any, Final

from doorward.identity.acr import ACR_ONE, ACR_TWO
from doorward.identity.client_keys import ASSERTION_ALGORITHMS
from doorward.identity.oauth.asking import AUTHENTICATION_METHODS, CERTIFICATE_METHODS
from doorward.identity.oauth.register import PATH
from doorward.identity.oauth.requests import OFFLINE, PROMPTS, STANDARD_SCOPES
from doorward.identity.oauth.standard_claims import CLAIMS_OF_SCOPES
from doorward.identity.oauth.token import GRANT_TYPES
from doorward.identity.provider import IdentitySettings, Provider

_TOLD = ("preferred_username", *(name for names in CLAIMS_OF_SCOPES.values() for name in names))

_OF_PROGRAMS: Final = {
    "token_endpoint": "/oauth/token",
    "pushed_authorization_request_endpoint": "/oauth/par",
    "device_authorization_endpoint": "/oauth/device_authorization",
    "revocation_endpoint": "/oauth/revoke",
    "introspection_endpoint": "/oauth/introspect",
    "userinfo_endpoint": "/oauth/userinfo",
}
"""Endpoints that no browser goes to: on both listeners, where there are two."""


def metadata(provider: Provider) -> dict[str, Any]:
    """The document, the same on both well-known paths."""
    settings = provider.settings
    known = [*AUTHENTICATION_METHODS, *(CERTIFICATE_METHODS if settings.mtls else ())]
    signing = [name for name in provider.ring().algorithms if name in settings.profile.algorithms]
    methods = [name for name in known if settings.profile.takes(name)]
    registration = {} if settings.registration is None else {"registration_endpoint": settings.url(PATH)}
    return {
        **registration,
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url("/oauth/authorize"),
        **{name: settings.url(path) for name, path in _OF_PROGRAMS.items()},
        "end_session_endpoint": settings.url("/oauth/logout"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "jwks_uri": settings.url("/oauth/jwks"),
        "scopes_supported": [*STANDARD_SCOPES, OFFLINE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": [name for name in methods if name != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "subject_types_supported": ["public"],
        "dpop_signing_alg_values_supported": list(settings.profile.proof_algorithms),
        "id_token_signing_alg_values_supported": signing,
        "acr_values_supported": [ACR_ONE, ACR_TWO],
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "nonce", *_TOLD],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": settings.profile.pushed_only,
        **_on_the_other_listener(settings),
    }


def _on_the_other_listener(settings: IdentitySettings) -> dict[str, Any]:
    """What holds where clients are asked for certificates (RFC 8705 sections 3.3, 5)."""
    if not settings.mtls:
        return {}
    return {
        "tls_client_certificate_bound_access_tokens": True,
        "mtls_endpoint_aliases": {name: settings.mtls + path for name, path in _OF_PROGRAMS.items()},
    }
