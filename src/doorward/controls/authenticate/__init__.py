"""Authenticate: who is calling, and how they prove it.

Threat:   a forged, stolen, expired or foreign token, a guessed key, a changed or repeated signed request passes for
          a caller (OWASP API2:2023 Broken authentication).
Standard: RFC 6750, 7515, 7516, 7519, 8705, 8725, 9068, 9421, 9449, 9530; OWASP ASVS 5.0 V9.1, V9.2, V10.3.5.
Not here: what the caller may do (authorize); how many guesses an address has (limits); logging in and making
          tokens (identity); keeping the credential from the upstream (forward).
"""

from doorward.controls.authenticate.answer_signature import AnswerSigner
from doorward.controls.authenticate.api_key_records import API_KEY_ISSUER, ApiKeyRecord, KeyForm
from doorward.controls.authenticate.challenge import certificate_refusal
from doorward.controls.authenticate.client_certificate import (
    ForeignLists,
    KnownCertificates,
    RevocationList,
    compile_standing_check,
)
from doorward.controls.authenticate.credentials import (
    Credentials,
    RevokedKind,
    credentials_data,
    sealed_name,
)
from doorward.controls.authenticate.encrypted_answer import SealedRelease
from doorward.controls.authenticate.encrypted_body import compile_opening, sealed_bytes
from doorward.controls.authenticate.encryption_keys import OwnKey, sealed_encryption_name
from doorward.controls.authenticate.message_signature import digest_check, signed_fields
from doorward.controls.authenticate.nonces import Nonces, nonce_key
from doorward.controls.authenticate.policy import (
    LOCAL_AUDIENCE,
    AuthenticatePolicy,
    IssuerPolicy,
    ProofDemand,
    local_issuer,
)
from doorward.controls.authenticate.replay import NoReplays, OwnReplays, Replays, ReplaySet, once_check
from doorward.controls.authenticate.resource_metadata import compile_metadata
from doorward.controls.authenticate.security import (
    compile_announcement_check,
    compile_check,
    demands_proof,
    proves_by_body,
    takes_secrets,
    takes_signatures,
    takes_tokens,
)

__all__ = [
    "API_KEY_ISSUER",
    "LOCAL_AUDIENCE",
    "AnswerSigner",
    "ApiKeyRecord",
    "AuthenticatePolicy",
    "Credentials",
    "ForeignLists",
    "IssuerPolicy",
    "KeyForm",
    "KnownCertificates",
    "NoReplays",
    "Nonces",
    "OwnKey",
    "OwnReplays",
    "ProofDemand",
    "ReplaySet",
    "Replays",
    "RevocationList",
    "RevokedKind",
    "SealedRelease",
    "certificate_refusal",
    "compile_announcement_check",
    "compile_check",
    "compile_metadata",
    "compile_opening",
    "compile_standing_check",
    "credentials_data",
    "demands_proof",
    "digest_check",
    "local_issuer",
    "nonce_key",
    "once_check",
    "proves_by_body",
    "sealed_bytes",
    "sealed_encryption_name",
    "sealed_name",
    "signed_fields",
    "takes_secrets",
    "takes_signatures",
    "takes_tokens",
]
