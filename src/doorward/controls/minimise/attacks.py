"""Answers that must not leave as they are, and the nearest one that may.

The upstream that misbehaves is the laboratory's: none of these is a request that a client could be blamed for. Personal
data a client can send itself, to any API that gives it back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from doorward.attack.case import Ask, Attack, Samples

if TYPE_CHECKING:
    from doorward.attack.wire import Answer

_EXPOSURE: Final = "API3:2023 Broken object property level authorization"
_CODE: Final = "minimise.response_schema"


def _leaves_out(*harms: bytes) -> "Callable[[Answer], bool]":
    """Whether none of these stands in the answer: in its body, or as `name: value` in its head."""

    def is_harmless(answer: "Answer") -> bool:
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers).lower().encode()
        return not any(harm in answer.body or harm in head for harm in harms)

    return is_harmless


def _cookie_is_hardened(answer: "Answer") -> bool:
    words = {word.strip().lower() for word in (answer.header("set-cookie") or "").split(";")}
    return {"httponly", "secure", "samesite=lax"} <= words


def _cleaned(
    behaviour: str, finding: str, title: str, source: str, is_harmless: "Callable[[Answer], bool]", twin: str = "ok"
) -> Attack:
    return Attack(
        id=f"minimise.{behaviour}",
        name=title,
        earns=f"minimise.{finding}",
        threat=_EXPOSURE,
        source=source,
        send=lambda samples: samples.lab(behaviour),
        twin=lambda samples: samples.lab(twin),
        is_harmless=is_harmless,
    )


def _masked(kind: str, title: str, source: str, sent: str, harm: bytes, twin: str) -> Attack:
    """`harm`: the part of what is sent that no mask leaves readable."""
    return Attack(
        id=f"minimise.personal_{kind}",
        name=f"{title} in an answer, where the policy masks it",
        earns="minimise.masked",
        threat=_EXPOSURE,
        source=source,
        send=lambda samples: _echoed(samples, kind, sent),
        twin=lambda samples: _echoed(samples, kind, twin),
        is_harmless=_leaves_out(harm),
    )


def _echoed(samples: Samples, kind: str, text: str) -> Ask | None:
    ask = samples.echoed(kind, text)
    return None if ask is None else replace(ask, echoes=text)


def _lab_attack(behaviour: str, title: str, source: str, twin: str = "ok") -> Attack:
    return Attack(
        id=f"minimise.{behaviour}",
        name=title,
        earns=_CODE,
        threat=_EXPOSURE,
        source=source,
        send=lambda samples: samples.lab(behaviour),
        twin=lambda samples: samples.lab(twin),
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _lab_attack("html_instead_of_json", "an HTML page where JSON is declared", "OWASP ASVS 5.0 V4.1.1; RFC 9110 8.3"),
    _lab_attack("broken_json", "a JSON answer cut in the middle", "RFC 8259 section 2"),
    _lab_attack(
        "duplicate_json_member", "a JSON answer that names a member twice, read two ways", "RFC 8259 section 4"
    ),
    _lab_attack("undeclared_status", "a success status the description does not declare", "OpenAPI 3.1 section 4.8.16"),
    _lab_attack("object_instead_of_text", "an object where a text is declared", "OWASP API3:2023"),
    _lab_attack(
        "unfit_value",
        "a text where a number is declared, where the policy refuses such values",
        "OWASP API3:2023; CWE-1287",
        twin="fit_value",
    ),
    _cleaned(
        "undeclared_member",
        "undeclared_field",
        "a member of the database row that nobody declared",
        "OWASP API3:2023; CWE-213",
        _leaves_out(b"password_hash"),
    ),
    _cleaned("card_number", "masked", "a card number in a text", "PCI DSS 4.0 3.4.1", _leaves_out(b"4111 1111 1111")),
    _masked(
        "iban",
        "a bank account's number",
        "ISO 13616-1; CWE-359",
        "pay to DE89 3704 0044 0532 0130 00",
        b"3704 0044 0532",
        "pay to DE88 3704 0044 0532 0130 00",
    ),
    _masked(
        "national_id",
        "a person's national number",
        "CWE-359",
        "the person is 529.982.247-25",
        b"529.982",
        "the person is 529.982.247-26",
    ),
    _masked(
        "email",
        "a mail address",
        "CWE-359",
        "write to ann.lee@example.com",
        b"ann.lee",
        "write to ann.lee at example.com",
    ),
    _masked("phone", "a telephone number", "CWE-359", "call +49 30 9018 2000", b"30 9018", "call 49 30 9018 2000"),
    _cleaned("stack_trace", "internals", "a stack trace in a text", "CWE-209", _leaves_out(b"Traceback", b"app.py")),
    _cleaned("service_key", "internals", "a cloud service's key in a text", "CWE-200", _leaves_out(b"AKIA")),
    _cleaned("error_page", "upstream_error", "an error page that tells paths", "CWE-209", _leaves_out(b"db.py")),
    _cleaned(
        "server_version",
        "headers",
        "versions of the software behind",
        "OWASP ASVS 5.0 V13.4.6",
        _leaves_out(b"apache", b"php"),
    ),
    _cleaned(
        "open_cookie",
        "cookies",
        "a session cookie that scripts and other sites can use",
        "RFC 6265bis 8.3, CWE-1004",
        _cookie_is_hardened,
    ),
    _cleaned(
        "any_origin",
        "cors",
        "an upstream that lets the pages of every site read answers",
        "CWE-942",
        _leaves_out(b"access-control-allow-origin"),
        twin="own_origin",
    ),
)
