"""What an operator may write about minimise."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from doorward.controls.minimise.masks import Kind, Style

_FIELD_NAME: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$"
Personal = Literal["iban", "email", "phone", "national_id"]
_Name = Annotated[str, Field(pattern=_FIELD_NAME)]


class CorsPolicy(BaseModel):
    """Which web pages may read the API's answers, as browsers ask it. Preflight questions are answered here."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    origins: list[Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?)$")]] = Field(
        min_length=1, max_length=256
    )
    """Origins in full (`https://app.example.com`), lower case, without a path; or `*` alone for an API that asks
    nobody who they are. Compared byte for byte; `null` is never one."""
    headers: list[_Name] = Field(default_factory=lambda: ["authorization", "content-type"], max_length=64)
    """Request header fields that a page may send."""
    expose: list[_Name] = Field(default_factory=list, max_length=64)
    """Response header fields that a page may read besides the harmless ones."""
    credentials: bool = False
    """Whether browsers send cookies and client certificates along. Not with `*`."""
    max_age_s: int = Field(default=600, ge=0, le=86_400)
    """How long a browser may remember the answer to a preflight question, in seconds."""

    @model_validator(mode="after")
    def _is_meant(self) -> Self:
        if "*" in self.origins and (self.credentials or len(self.origins) > 1):
            raise ValueError("`*` stands alone and without credentials: list the origins instead")
        return self


class MinimisePolicy(BaseModel):
    """What may leave in a response. The defaults let nothing out that the description does not declare."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    insecure_undeclared_responses: bool = False
    """Let answers pass whose status (below 400) or media type the description does not declare, unfiltered.
    For an API that never described its responses; default: such an answer becomes 502."""
    insecure_upstream_errors: bool = False
    """Let the bodies of errors pass that the description declares for a status of 500 and above (filtered), instead of
    replacing them. Default: replaced, since such bodies are written by code that has just failed."""
    insecure_card_numbers: bool = False
    """Let card numbers pass in clear. Default: all digits but the last four are masked (PCI DSS 4.0 3.4.1)."""
    insecure_secrets: bool = False
    """Let keys and tokens of cloud and code services pass in declared text fields (an API that issues such keys).
    Default: replaced."""
    mask: list[Personal] | dict[Personal, Style] = Field(default_factory=list, max_length=8)
    """Kinds of personal data masked in texts: `iban`, `national_id` (check digits verified), `email`, `phone`; not
    where the schema declares them (`format: email`). A list leaves a part readable; or write how, as `iban: hash`:
    `partial` (the last four), `whole`, `hash` (a keyed digest, the same for the same value). Default: none."""
    insecure_cookies: bool = False
    """Let cookies leave as the upstream sets them. Default: those without them get `HttpOnly`, `SameSite=Lax` and, over
    https, `Secure`: a script of a page that was broken into cannot read them, other sites cannot send them along."""
    values: Literal["pass", "report", "refuse"] = "report"
    """What becomes of a JSON answer of which a value does not fit its schema (a text for a number, a word outside its
    enum, a required member missing). `report` notes the first such place in the record; `refuse` answers 502 instead;
    `pass` does not look. Members that are not declared are removed in any case."""
    insecure_internals: bool = False
    """Let stack traces and database error texts pass in declared text fields. Default: the text is replaced."""
    hsts_s: int = Field(default=31_536_000, ge=0, le=126_144_000)
    """`max-age` of Strict-Transport-Security in seconds, sent over https only; 0 leaves the field out. Default: a year,
    the least that browsers' preload lists accept."""
    cors: CorsPolicy | None = None
    """Which web pages may read answers. Default: nothing is said; what the upstream says passes."""
    strip_headers: list[str] = Field(default_factory=list, max_length=64)
    """Further response header fields that never leave, in any case. `Server`, `Via`, `X-Powered-By` and their kin are
    always removed."""

    @property
    def masks(self) -> dict[Kind, Style]:
        """How each kind is masked."""
        return {kind: self.mask[kind] if isinstance(self.mask, dict) else "partial" for kind in self.mask}
