"""What an operator may write about text messages (SMS): who sends them, and whether a code in one counts."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from doorward.policy.paths import PolicyPath


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("is not a network: write it as 10.20.0.0/16 or fd00:1::/64") from None
    return text


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
    insecure_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(default=(), strict=False)
    """Networks in which the hook may stand although they are not public. None by default."""
