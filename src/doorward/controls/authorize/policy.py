"""What an operator may write about authorize."""

from pydantic import BaseModel, ConfigDict


class AuthorizePolicy(BaseModel):
    """Which role may do what, and whose an object is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
