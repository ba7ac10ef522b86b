"""For programs that call a guarded API: sign requests, prove tokens, encrypt bodies, check answers.

Nothing of the gateway is needed for it. The signers and `BodyEncrypter` serve any HTTP library; `SignatureAuth`,
`WebhookAuth`, `ProofAuth` and `EncryptedTransport` plug into httpx.
"""

from doorward.client.encryption import BodyEncrypter, EncryptionRefused, OpenedAnswer, SealedBody
from doorward.client.httpx_auth import SignatureAuth, WebhookAuth
from doorward.client.httpx_encryption import EncryptedTransport
from doorward.client.httpx_proofs import CombinedAuth, ProofAuth
from doorward.client.signing import MessageSigner, SentRequest, WebhookSigner
from doorward.signatures.errors import SignatureRefused

__all__ = [
    "BodyEncrypter",
    "CombinedAuth",
    "EncryptedTransport",
    "EncryptionRefused",
    "MessageSigner",
    "OpenedAnswer",
    "ProofAuth",
    "SealedBody",
    "SentRequest",
    "SignatureAuth",
    "SignatureRefused",
    "WebhookAuth",
    "WebhookSigner",
]
