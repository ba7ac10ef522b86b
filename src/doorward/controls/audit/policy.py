"""What an operator may write about audit."""

from pydantic import BaseModel, ConfigDict


class AuditPolicy(BaseModel):
    """How exchanges are recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
