"""What the description says about an answer: which response, and which representation of it."""

from collections.abc import Mapping

from doorward.operation import MediaType, ResponseDescription


def declared_response(declared: Mapping[str, ResponseDescription], status: int) -> ResponseDescription | None:
    """What the description says about a status: the exact one, else its class (`2XX`), else `default`."""
    for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
        if key in declared:
            return declared[key]
    return None


def declared_content(declared: ResponseDescription, media_type: str) -> MediaType | None:
    """The declared representation of a media type: the exact one, else the narrowest range that covers it."""
    for key in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if key in declared.content:
            return declared.content[key]
    return None
