"""Settings made of other settings."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from doorward.policy.messages import first_mistake

_Model = TypeVar("_Model", bound=BaseModel)


def made(model: type[_Model], data: Mapping[str, Any]) -> _Model:
    """The settings of that kind. Errors: PolicyError, naming the first key that does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise first_mistake(error, model) from None


def written(model: BaseModel) -> dict[str, Any]:
    """The settings that were written down, so that defaults stay the model's own."""
    return {name: getattr(model, name) for name in model.model_fields_set}


def merged(under: _Model | None, over: _Model | None) -> _Model | None:
    """Settings with what was written in `over` instead of their own; None where there are none at all."""
    if under is None or over is None:
        return over or under
    return under.model_copy(update=written(over))
