"""What an operator may write about text messages (SMS): who sends them, and whether a code in one counts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from doorward.policy.values import Network, PolicyPath


class SmsPolicy(BaseModel):
    """A program of yours that sends text messages when it is asked to. Without it none are sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    hook: Annotated[str, StringConstraints(pattern=r"^https://[!-~]{1,1016}$")]
    """Where each message is posted as JSON (`type`, `to`, `text`), signed as Standard Webhooks are."""
    secret_file: PolicyPath
    """File with the secret that signs it, in base64, with `whsec_` before it or not: 24 bytes or more. Its owner alone
    may read it; read anew for each message."""
    second_factor: bool = False
    """Whether a code in a message may be somebody's second factor. NIST SP 800-63B-4 calls it restricted: whoever takes
    over the number gets the codes. So it is off, and counts for nobody who has an authenticator app or a passkey."""
    insecure_networks: tuple[Network, ...] = Field(default=(), strict=False)
    """Networks in which the hook may stand although they are not public. None by default."""
