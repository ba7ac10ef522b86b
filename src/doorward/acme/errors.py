"""What an ACME server says no with, and what goes wrong on the way to it."""

from typing import Any

_URN = "urn:ietf:params:acme:error:"
_DETAIL_CHARACTERS = 512
_KIND_CHARACTERS = 64


class AcmeError(Exception):
    """No certificate came of it. The text is for the operator's log."""

    def __init__(self, kind: str, detail: str, *, retry_after_s: float = 0.0) -> None:
        """`kind`: the type of RFC 8555 section 6.7 without its prefix, as `rateLimited`; or `unreachable`, `answer`."""
        self.kind, self.retry_after_s = _clean(kind, _KIND_CHARACTERS), retry_after_s
        super().__init__(f"{self.kind}: {_clean(detail, _DETAIL_CHARACTERS)}")


def error_of(document: object, status: int, *, retry_after_s: float = 0.0) -> AcmeError:
    """The error in a problem document (RFC 9457), whatever of it is there."""
    if not isinstance(document, dict):
        return AcmeError("answer", f"status {status} without a reason", retry_after_s=retry_after_s)
    members: dict[str, Any] = document
    kind = str(members.get("type", "answer")).removeprefix(_URN)
    detail = str(members.get("detail", f"status {status}"))
    below = members.get("subproblems")
    if isinstance(below, list):
        detail += "".join(f"; {one.get('detail', '')}" for one in below[:8] if isinstance(one, dict))
    return AcmeError(kind, detail, retry_after_s=retry_after_s)


def _clean(text: str, most: int) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:most])
