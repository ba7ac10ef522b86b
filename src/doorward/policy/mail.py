"""What an operator may write about the mail that the identity provider sends."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from doorward.policy.values import PolicyPath


class MailPolicy(BaseModel):
    """The server that takes our mail. Without it no mail is sent, and what needs mail is not offered."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
    """Its name, which its certificate must carry."""
    port: int = Field(default=587, ge=1, le=65535)
    """587 with `starttls`, usually 465 with `implicit`."""
    tls: Literal["starttls", "implicit"] = "starttls"
    """How TLS begins. It is always demanded and the certificate checked: links in mail are as good as passwords."""
    sender: Annotated[str, StringConstraints(pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,189}$")]
    """Address in `From`, as `login@example.com`."""
    username: str | None = Field(default=None, min_length=1, max_length=256)
    """None: the server takes our mail without a login."""
    password: SecretStr | None = Field(default=None, exclude=True)
    """As `${MAIL_PASSWORD}` or `file:mail.password`."""
    ca_file: PolicyPath | None = None
    """PEM file of the authorities that may vouch for the server instead of the system's."""
