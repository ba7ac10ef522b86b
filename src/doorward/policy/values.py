"""Values that an operator writes in several places: modes, addresses, URLs, networks, names, and paths of files."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ValidationInfo

ControlName: TypeAlias = Literal["transport", "limits", "authenticate", "authorize", "validate", "inspect", "minimise"]
"""The controls that have a mode. `forward` and `audit` have none: a request is forwarded and recorded, or refused."""
OperationControl: TypeAlias = Literal["limits", "authenticate", "authorize", "validate", "inspect", "minimise"]
"""The controls whose mode one operation may change; `transport` is done before it is known which operation it is."""
Mode: TypeAlias = Literal["enforce", "observe", "off"]

_Settings = TypeVar("_Settings", bound=BaseModel)
_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):[0-9]{1,5}")
_SERVER_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,126}")


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or int(text.rpartition(":")[2]) > 65_535:
        raise ValueError("is not an address: write host:port, such as 127.0.0.1:8443")
    return text


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("is not a plain URL: write http://host:port or https://host:port")
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("is not a network: write it as 10.20.0.0/16 or fd00:1::/64") from None
    return text


def _server_name(text: str) -> str:
    if not _SERVER_NAME.fullmatch(text.lower()):
        raise ValueError("is not a host name: write api.example.com or *.example.com")
    return text.lower()


def beside_the_policy(path: Path, info: ValidationInfo) -> Path:
    """The path, counted from the policy file's directory where that is known."""
    directory = (info.context or {}).get("directory")
    return Path(directory) / path if directory is not None else path


def with_files(settings: _Settings, info: ValidationInfo, *names: str) -> _Settings:
    """The settings of a control, which knows no directory, with the files of these names beside the policy."""
    named = {name: file for name in names if (file := getattr(settings, name)) is not None}
    return settings.model_copy(update={name: str(beside_the_policy(Path(file), info)) for name, file in named.items()})


Address = Annotated[str, AfterValidator(_address)]
"""`host:port`; `:8443` listens on every interface."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Network = Annotated[str, AfterValidator(_network)]
"""An IPv4 or IPv6 network (CIDR) without host bits."""
ServerName = Annotated[str, AfterValidator(_server_name)]
"""A DNS name in lower case, or `*.` and one."""
PolicyPath = Annotated[Path, AfterValidator(beside_the_policy)]
"""A path; relative ones count from the policy file's directory."""
