"""A certificate for public names, asked for at an ACME server (RFC 8555) and renewed before it ends.

Threat:   a certificate that ends and nobody notices; an account key in the open; an ACME server, or somebody in its
          place, that leads the client to addresses inside.
Standard: RFC 8555, 9773 (renewal information); CA/Browser Forum baseline requirements.
Not here: what a gateway shows (gateway.server_tls); certificates of the own authority (identity.ca).

Why not a library: the one there is (`acme` of certbot) brings an HTTP client of its own, whose network part would have
to be replaced to keep within what `outbound` allows.
"""

from doorward.acme.account import Account, load_account
from doorward.acme.client import AcmeClient
from doorward.acme.errors import AcmeError
from doorward.acme.ordering import Obtained, obtain
from doorward.acme.renewal import due_at, window_of

__all__ = [
    "Account",
    "AcmeClient",
    "AcmeError",
    "Obtained",
    "due_at",
    "load_account",
    "obtain",
    "window_of",
]
