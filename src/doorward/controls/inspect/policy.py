"""What an operator may write about inspect."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from doorward.controls.inspect.verdict import Threat

_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, populate_by_name=True)


class Exclusion(BaseModel):
    """One field in which one class of content is expected, for a stated reason and time."""

    model_config = _MODEL

    threat: Threat = Field(alias="class")
    """`sql`, `xss`, `command` or `traversal`; one class an entry, so that an exclusion stays narrow."""
    operation: str = Field(pattern=r"^[A-Z]+ /[^ ]*$")
    """Method and path template as in the API description: `POST /notes`."""
    field: str = Field(pattern=r"^(/.*|(query|path|header|cookie|form):.+|body)$", max_length=512)
    """JSON pointer into the body, `*` standing for any list position (`/items/*/note`); or `query:name`, `path:name`,
    `header:name`, `cookie:name`, `form:name`; or `body` for a body that is neither JSON nor a form."""
    reason: str = Field(min_length=8, max_length=500)
    """Why this content is expected there. `doorward check` shows it."""
    until: Annotated[date, Field(strict=False)]
    """Last day (UTC) on which the exclusion holds. Without an end it would outlive its reason."""


class InspectPolicy(BaseModel):
    """Which kinds of harmful content are looked for. Everything, everywhere, unless written otherwise."""

    model_config = _MODEL

    exclude: Annotated[tuple[Exclusion, ...], Field(strict=False)] = ()
    """Fields in which a class of content is expected. Prefer this to switching a class off."""
    insecure_classes_off: Annotated[tuple[Threat, ...], Field(strict=False)] = ()
    """Classes not looked for in any operation. Default: none. Each entry opens every field to that class."""
    insecure_excerpts: bool = False
    """Keep in the record up to 256 characters of what was refused, as they came. Default: their shape alone, letters as
    `x` and digits as `0`, because what is refused by mistake is somebody's text. For an API under test. Of a
    `format: password` nothing is kept either way."""
    judged_bytes: int = Field(default=131_072, ge=4_096, le=16_777_216)
    """Most suspicious text judged in one request, in characters. The judges take about a tenth of a microsecond a
    character; beyond the bound the request is refused, because an unread tail is where an attack would be put (B11).
    Text without any suspicious construct does not count."""
