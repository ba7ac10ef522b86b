"""What an operator may write about minimise."""

from pydantic import BaseModel, ConfigDict, Field


class MinimisePolicy(BaseModel):
    """What may leave in a response. The defaults let nothing out that the description does not declare."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    insecure_undeclared_responses: bool = False
    """Let answers pass whose status (below 400) or media type the description does not declare, unfiltered.
    For an API that never described its responses; default: such an answer becomes 502."""
    insecure_upstream_errors: bool = False
    """Let the bodies of errors pass that the description declares for a status of 500 and above (filtered), instead of
    replacing them. Default: replaced, since such bodies are written by code that has just failed."""
    insecure_card_numbers: bool = False
    """Let card numbers pass in clear. Default: all digits but the last four are masked (PCI DSS 4.0 3.4.1)."""
    insecure_internals: bool = False
    """Let stack traces and database error texts pass in declared text fields. Default: the text is replaced."""
    hsts_s: int = Field(default=31_536_000, ge=0, le=126_144_000)
    """`max-age` of Strict-Transport-Security in seconds, sent over https only; 0 leaves the field out. Default: a year,
    the least that browsers' preload lists accept."""
    strip_headers: list[str] = Field(default_factory=list, max_length=64)
    """Further response header fields that never leave, in any case. `Server`, `Via`, `X-Powered-By` and their kin are
    always removed."""
