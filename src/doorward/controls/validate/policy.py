"""What an operator may write about validate."""

from pydantic import BaseModel, ConfigDict


class ValidatePolicy(BaseModel):
    """How strictly a request must fit the API description."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
