"""What an operator may write about transport."""

from pydantic import BaseModel, ConfigDict


class TransportPolicy(BaseModel):
    """How strictly a request is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
