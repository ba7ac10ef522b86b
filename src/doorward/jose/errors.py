"""Why a token or a key was not accepted: one short reason a caller can match on."""

from typing import Literal

Reason = Literal["size", "header", "algorithm", "reference", "key", "signature", "time", "claims", "decryption"]
"""`size`: too long or not three segments; `header`: not strict base64url JSON, a duplicate member, `crit` or `b64`;
`algorithm`: not one of ours or not the key's own; `reference`: the token brings or names its key; `key`: no usable
key; `signature`; `time`: expired, not yet valid, or not a sane date; `claims`: type, issuer, audience, subject;
`decryption`: an encrypted message did not open, whatever the cause (a cause would be an oracle)."""


class JoseError(Exception):
    """A token or key that is not accepted. The text is for the record, never for the client."""

    def __init__(self, reason: Reason, problem: str) -> None:
        super().__init__(f"{reason}: {problem}")
        self.reason: Reason = reason
        self.problem = problem
