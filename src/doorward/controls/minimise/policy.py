"""What an operator may write about minimise."""

from pydantic import BaseModel, ConfigDict


class MinimisePolicy(BaseModel):
    """What may leave in a response."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
