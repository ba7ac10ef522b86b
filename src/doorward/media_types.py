"""What a media type (lower case, no parameters) says about how its content is read."""

from typing import Final

_JSON: Final = frozenset({"application/json", "text/json"})
JSON_LINES: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
    }
)
"""One JSON value a line: no registered type, so that all the names in use count."""
_XML: Final = frozenset({"application/xml", "text/xml"})


def is_json(name: str) -> bool:
    """Whether it is JSON (RFC 8259; RFC 6839 section 3.1).

    >>> is_json("application/merge-patch+json"), is_json("application/x-ndjson")
    (True, False)
    """
    return name in _JSON or name.endswith("+json")


def is_xml(name: str) -> bool:
    """Whether it is XML (RFC 7303 sections 3 and 4.2)."""
    return name in _XML or name.endswith("+xml")
