"""What an operator may write about inspect."""

from pydantic import BaseModel, ConfigDict


class InspectPolicy(BaseModel):
    """Which kinds of harmful content are looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
