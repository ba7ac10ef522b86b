"""Answers that must not leave as they are, and the nearest one that may.

The upstream that misbehaves is the laboratory's: none of these is a request that a client could be blamed for.
"""

from typing import Final

from doorward.attack.case import Attack

_EXPOSURE: Final = "API3:2023 Broken object property level authorization"
_CODE: Final = "minimise.response_schema"


def _lab_attack(behaviour: str, title: str, source: str) -> Attack:
    return Attack(
        id=f"minimise.{behaviour}",
        name=title,
        earns=_CODE,
        threat=_EXPOSURE,
        source=source,
        send=lambda samples: samples.lab(behaviour),
        twin=lambda samples: samples.lab("ok"),
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _lab_attack("html_instead_of_json", "an HTML page where JSON is declared", "OWASP ASVS 5.0 V4.1.1; RFC 9110 8.3"),
    _lab_attack("broken_json", "a JSON answer cut in the middle", "RFC 8259 section 2"),
    _lab_attack(
        "duplicate_json_member", "a JSON answer that names a member twice, read two ways", "RFC 8259 section 4"
    ),
    _lab_attack("undeclared_status", "a success status the description does not declare", "OpenAPI 3.1 section 4.8.16"),
    _lab_attack("object_instead_of_text", "an object where a text is declared", "OWASP API3:2023"),
)
