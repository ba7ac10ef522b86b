"""What an operator may write about authenticate."""

from pydantic import BaseModel, ConfigDict


class AuthenticatePolicy(BaseModel):
    """How callers prove who they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
