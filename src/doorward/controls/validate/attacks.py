"""Attacks on the API description, each with its twin: the undeclared, and what two readers read differently."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Samples
from doorward.controls.validate.upload_attacks import UPLOAD_ATTACKS

_INVENTORY: Final = "API9:2023 Improper inventory management"
_MISCONFIGURED: Final = "API8:2023 Security misconfiguration"
_PROPERTY: Final = "API3:2023 Broken object property level authorization"
_RESOURCES: Final = "API4:2023 Unrestricted resource consumption"


def _write(change: Callable[[bytes], bytes]) -> Callable[[Samples], Ask | None]:
    """The valid write request with its body changed."""

    def send(samples: Samples) -> Ask | None:
        ask = samples.write()
        return None if ask is None or not ask.body.startswith(b"{") else replace(ask, body=change(ask.body))

    return send


def _with_member(member: bytes) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        rest = body[1:].lstrip(b" \t\r\n")
        return b"{" + member + (rest if rest.startswith(b"}") else b"," + rest)

    return change


def _first_member_twice(body: bytes) -> bytes:
    # A second member of the first one's name in front: half of all parsers take the first, half the last.
    name = body[body.index(b'"') : body.index(b'"', body.index(b'"') + 1) + 1] if b'"' in body else b'"a"'
    member = name + b":null"
    return _with_member(member if b'"' in body else member + b"," + member)(body)


def _content_type(value: str) -> Callable[[Samples], Ask | None]:
    """The valid write request, said to be something else."""

    def send(samples: Samples) -> Ask | None:
        ask = samples.write()
        if ask is None:
            return None
        headers = tuple(field for field in ask.headers if field[0].lower() != "content-type")
        return replace(ask, headers=(*headers, ("Content-Type", value)))

    return send


def _body_of(media_type: str, change: Callable[[bytes], bytes]) -> Callable[[Samples], Ask | None]:
    """The valid request with a body of that type, changed; None where the change finds nothing to change."""

    def send(samples: Samples) -> Ask | None:
        ask = samples.body_of(media_type)
        changed = ask and change(ask.body)
        return None if ask is None or changed == ask.body else replace(ask, body=changed or b"")

    return send


def _valid_body_of(media_type: str) -> Callable[[Samples], Ask | None]:
    return lambda samples: samples.body_of(media_type)


def _compressed(samples: Samples) -> Ask | None:
    ask = samples.write()
    return None if ask is None else ask.with_header("Content-Encoding", "gzip")


def _unknown_path(samples: Samples) -> Ask | None:
    ask = samples.read()
    if ask is None:
        return None
    path, _, _ = ask.target.partition("?")
    return replace(ask, target=f"{path.rstrip('/')}/doorward/undescribed/path/of/six/segments")


def _undescribed_method(samples: Samples) -> Ask | None:
    ask = samples.read()
    return None if ask is None else replace(ask, method="OPTIONS")


def _undeclared_parameter(samples: Samples) -> Ask | None:
    ask = samples.read()
    if ask is None:
        return None
    joint = "&" if "?" in ask.target else "?"
    return replace(ask, target=f"{ask.target}{joint}doorward_undeclared=1")


def _parameter_twice(samples: Samples) -> Ask | None:
    ask = samples.query_text("plain")
    if ask is None:
        return None
    pair = next((pair for pair in ask.target.partition("?")[2].split("&") if pair.endswith("=plain")), None)
    return None if pair is None else replace(ask, target=f"{ask.target}&{pair}")


def _as_it_is(samples: Samples) -> Ask | None:
    return samples.write()


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="validate.undescribed_path",
        name="reach a path that the description does not have",
        earns="validate.path_unknown",
        threat=_INVENTORY,
        source="OWASP API9:2023 (forgotten and debug endpoints)",
        send=_unknown_path,
        twin=lambda samples: samples.read(),
    ),
    Attack(
        id="validate.undescribed_method",
        name="use a method that the description does not have for the path",
        earns="validate.method",
        threat=_INVENTORY,
        source="hostile-input catalogue H10; RFC 9110 section 15.5.6",
        send=_undescribed_method,
        twin=lambda samples: samples.read(),
    ),
    Attack(
        id="validate.undeclared_parameter",
        name="send a query parameter that the description does not declare",
        earns="validate.parameter",
        threat=_PROPERTY,
        source="OWASP API3:2023; ASVS 5.0 V15.3.3",
        send=_undeclared_parameter,
        twin=lambda samples: samples.read(),
    ),
    Attack(
        id="validate.parameter_pollution",
        name="send one query parameter twice, for two readers to choose from",
        earns="validate.parameter",
        threat=_MISCONFIGURED,
        source="CAPEC-460 HTTP parameter pollution; ASVS 5.0 V15.3.7",
        send=_parameter_twice,
        twin=lambda samples: samples.query_text("plain"),
    ),
    Attack(
        id="validate.json_as_text",
        name="send JSON as text/plain, past checks that look at JSON only",
        earns="validate.content_type",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B5; RFC 9110 section 15.5.16",
        send=_content_type("text/plain"),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.content_type_malformed",
        name="send a content type that two readers understand differently",
        earns="validate.content_type",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B5",
        send=_content_type("application/json;x={"),
        twin=_content_type("application/json;x=y"),
    ),
    Attack(
        id="validate.charset_utf7",
        name="declare a charset in which markup hides",
        earns="validate.charset",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B4; coreruleset #1137",
        send=_content_type("application/json; charset=utf-7"),
        twin=_content_type("application/json; charset=utf-8"),
    ),
    Attack(
        id="validate.charset_utf16",
        name="declare UTF-16, which a byte-wise filter cannot read",
        earns="validate.charset",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B4; RFC 8259 section 8.1",
        send=_content_type('application/json; charset="utf-16"'),
        twin=_content_type('application/json; charset="utf-8"'),
    ),
    Attack(
        id="validate.compressed_body",
        name="hide the body behind a content coding",
        earns="validate.content_encoding",
        threat=_RESOURCES,
        source="RFC 9110 section 8.4; decompression bombs (CWE-409)",
        send=_compressed,
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_trailing",
        name="append a second value to the JSON body",
        earns="validate.json_syntax",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B1; RFC 8259 section 2",
        send=_write(lambda body: body + b'{"a":1}'),
        twin=_write(lambda body: body + b" \n"),
    ),
    Attack(
        id="validate.json_bom",
        name="put a byte order mark before the JSON body",
        earns="validate.json_syntax",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B1; RFC 8259 section 8.1",
        send=_write(lambda body: b"\xef\xbb\xbf" + body),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_not_a_number",
        name="send NaN, which is JavaScript and not JSON",
        earns="validate.json_syntax",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B1; RFC 8259 section 6",
        send=_write(_with_member(b'"doorward":NaN')),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_duplicate_member",
        name="name a member twice, so that the check sees one value and the API the other",
        earns="validate.json_duplicate",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B1; RFC 8259 section 4; Bishop Fox, JSON interoperability (2021)",
        send=_write(_first_member_twice),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_deep",
        name="nest a body deep enough to exhaust a parser's stack",
        earns="validate.json_limit",
        threat=_RESOURCES,
        source="hostile-input catalogue B2; CVE-2020-36518 (jackson-databind)",
        send=_write(_with_member(b'"doorward":' + b"[" * 500 + b"]" * 500)),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_number_huge",
        name="send a number beyond every number type",
        earns="validate.json_number",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B3",
        send=_write(_with_member(b'"doorward":1e999999')),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.json_number_long",
        name="send a number of ten thousand digits, quadratic to convert",
        earns="validate.json_number",
        threat=_RESOURCES,
        source="hostile-input catalogue B3; CVE-2020-10735 (int to text conversion)",
        send=_write(_with_member(b'"doorward":' + b"9" * 10_000)),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.wrong_type",
        name="send an object where a number is declared",
        earns="validate.schema",
        threat=_MISCONFIGURED,
        source="ASVS 5.0 V2.2.1; operator injection through types (CWE-843)",
        send=lambda samples: samples.body_value("number", {"$gt": 0}),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.mass_assignment",
        name="set a member that the description does not declare",
        earns="validate.unknown_property",
        threat=_PROPERTY,
        source="OWASP API3:2023 (mass assignment); ASVS 5.0 V15.3.3; CWE-915",
        send=lambda samples: samples.body_value("extra", value=True),
        twin=_as_it_is,
    ),
    Attack(
        id="validate.graphql_deep",
        name="ask for friends of friends of friends, a hundred levels down",
        earns="validate.graphql",
        threat=_RESOURCES,
        source="hostile-input catalogue B13; CWE-770",
        send=lambda samples: samples.graphql("{a" * 40 + "{a}" + "}" * 40),
        twin=lambda samples: samples.graphql("{ note { id author { name } } }"),
    ),
    Attack(
        id="validate.graphql_aliases",
        name="ask for one field a thousand times under other names",
        earns="validate.graphql",
        threat=_RESOURCES,
        source="hostile-input catalogue B13; CWE-770",
        send=lambda samples: samples.graphql("{" + " ".join(f"a{number}: note {{id}}" for number in range(300)) + "}"),
        twin=lambda samples: samples.graphql("{ first: note { id } second: note { id } }"),
    ),
    Attack(
        id="validate.graphql_cycle",
        name="have two fragments use each other",
        earns="validate.graphql",
        threat=_RESOURCES,
        source="hostile-input catalogue B13; CWE-674",
        send=lambda samples: samples.graphql("{...A} fragment A on N {...B} fragment B on N {...A}"),
        twin=lambda samples: samples.graphql("{...A} fragment A on N {...B} fragment B on N {id}"),
    ),
    Attack(
        id="validate.multipart_preamble",
        name="put a part where only some readers look",
        earns="validate.multipart",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B6; RFC 2046 section 5.1.1; WAFFLED (2025)",
        send=_body_of("multipart/form-data", lambda body: b"--other\r\n\r\n" + body),
        twin=_valid_body_of("multipart/form-data"),
    ),
    Attack(
        id="validate.multipart_name_star",
        name="give a part two names, of which readers take different ones",
        earns="validate.multipart",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B6; RFC 7578 section 4.2; CVE-2022-48279",
        send=_body_of(
            "multipart/form-data", lambda body: body.replace(b"; filename=", b"; filename*=UTF-8''a; filename=")
        ),
        twin=_valid_body_of("multipart/form-data"),
    ),
    Attack(
        id="validate.upload_climbs",
        name="upload a file under a name that leaves its directory",
        earns="validate.upload",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-22; CWE-434",
        send=_body_of("multipart/form-data", lambda body: body.replace(b'filename="', b'filename="../')),
        twin=_valid_body_of("multipart/form-data"),
    ),
    Attack(
        id="validate.upload_polyglot",
        name="upload an image that is a script as well",
        earns="validate.upload",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-434",
        send=_body_of("multipart/form-data", lambda body: body.replace(b"IHDR", b"IHDR<?php system($_GET[0]);")),
        twin=_valid_body_of("multipart/form-data"),
    ),
    Attack(
        id="validate.upload_disguised",
        name="upload something else than the type says",
        earns="validate.upload_type",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B14; CWE-646",
        send=_body_of("multipart/form-data", lambda body: body.replace(b"\x89PNG", b"GIF89a")),
        twin=_valid_body_of("multipart/form-data"),
    ),
    Attack(
        id="validate.xml_entity",
        name="have a parser of XML read a file of the server",
        earns="validate.xml",
        threat=_MISCONFIGURED,
        source="hostile-input catalogue B9; CWE-611",
        send=_body_of("application/xml", lambda _: b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
        twin=_valid_body_of("application/xml"),
    ),
    Attack(
        id="validate.xml_laughs",
        name="unfold a few bytes of XML to gigabytes",
        earns="validate.xml",
        threat=_RESOURCES,
        source="hostile-input catalogue B9; CWE-776",
        send=_body_of(
            "application/xml",
            lambda _: b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
        ),
        twin=_valid_body_of("application/xml"),
    ),
    *UPLOAD_ATTACKS,
)
