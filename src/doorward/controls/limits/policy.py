"""What an operator may write about limits."""

from pydantic import BaseModel, ConfigDict


class LimitsPolicy(BaseModel):
    """How much one address and one caller may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
