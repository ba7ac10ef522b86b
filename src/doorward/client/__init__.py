"""For programs that call a guarded API: sign requests, check signed answers. Nothing of the gateway is needed for it.

The signers make header fields for any HTTP library; `SignatureAuth` and `WebhookAuth` plug into httpx.
"""

from doorward.client.httpx_auth import SignatureAuth, WebhookAuth
from doorward.client.signing import MessageSigner, SentRequest, WebhookSigner
from doorward.signatures.errors import SignatureRefused

__all__ = ["MessageSigner", "SentRequest", "SignatureAuth", "SignatureRefused", "WebhookAuth", "WebhookSigner"]
