"""What an operator may write about transport."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_HOST: Final = re.compile(r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+(?::[1-9][0-9]{0,4})?|\[[0-9a-f:.]+\](?::[1-9][0-9]{0,4})?")


def _folded_host(value: str) -> str:
    folded = value.lower() if value.isascii() else value
    if _HOST.fullmatch(folded) is None:
        raise ValueError(f"{value!r} is not a host name; write `api.example.com` or `api.example.com:8443`")
    return folded


class TransportPolicy(BaseModel):
    """How strictly a request is read. There is no switch that makes the reading of framing or paths looser."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    hosts: tuple[Annotated[str, AfterValidator(_folded_host)], ...] = Field(default=(), max_length=256, strict=False)
    """Host names this API answers to, with or without a port (without: any port). Empty: every valid host.

    A request for another host gets 421, so that a name pointed at this address by somebody else (DNS rebinding,
    a forgotten CNAME) reaches nothing.
    """
