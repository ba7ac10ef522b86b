"""What an operator may write about looking new passwords up among those of data breaches."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from doorward.policy.values import Network, PolicyPath


def _range_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_plain = parts.scheme == "https" and parts.hostname and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        is_plain = False
    if not is_plain or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no address of a range service: https, a host, no query, as https://range.example/range")
    return text


class BreachedPasswordsPolicy(BaseModel):
    """A service that knows passwords of data breaches and is asked about new ones, by five digits of their hash."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    url: Annotated[str, Field(max_length=1_024), AfterValidator(_range_url)]
    """Where ranges are, `https`: what follows is `/` and the first five hexadecimal digits of the SHA-1, as
    `https://api.pwnedpasswords.com/range` has it."""
    count_least: int = Field(default=1, ge=1, le=1_000_000_000)
    """How often a password must have been seen in breaches to be refused. 1: once is enough, as NIST SP 800-63B-4 has
    it; more lets rare ones through."""
    timeout_s: float = Field(default=2.0, ge=0.1, le=10.0)
    """How long it may take to answer, everything together, in seconds. Whoever sets a password waits for it; nobody
    else does."""
    unanswered: Literal["judge", "refuse"] = "judge"
    """When it does not answer: `judge` by the built-in list alone, or `refuse` the password until it does. Either way
    an event (`password.unchecked`) says so. `judge` by default, or its failure would keep people from recovery."""
    insecure_networks: tuple[Network, ...] = Field(default=(), strict=False)
    """Networks in which it may stand although they are not public: a mirror of one's own. None by default."""
    ca_file: PolicyPath | None = None
    """PEM file of the authorities that may vouch for it instead of the system's."""
