"""What an operator may write about forward."""

from pydantic import BaseModel, ConfigDict


class ForwardPolicy(BaseModel):
    """How the upstream is reached and what it is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
