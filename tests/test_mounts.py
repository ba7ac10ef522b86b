"""One set of cases through every mount: the same verdict, the same words to the client, the same record."""

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import orjson
import pytest
from tests.gateway.lab import Answer, Client, request
from tests.middleware.mounts import OTHER_KEY, Mounts, token

from doorward.controls.audit.records import Closed, Outcome
from doorward.controls.validate.upload_attacks import EICAR

TOLD = (b"allow", b"cache-control", b"content-type", b"ratelimit-policy", b"retry-after", b"www-authenticate")
MAY_DIFFER = {"request_id", "at_ms", "port", "upstream_us", "bytes_out"}
UNREAD = {"limits.target_size", "transport.method_denied"}
"""Refused by the gateway while it reads the head: method, query and policy are not known yet."""
JSON = "Content-Type: application/json"


class Case(NamedTuple):
    name: str
    raw: Callable[[], bytes]
    status: int
    code: str = ""
    times: int = 1


def get(target: str, *fields: str) -> Callable[[], bytes]:
    return lambda: request("GET", target, token(), *fields)


def post(body: bytes, *fields: str, target: str = "/orders") -> Callable[[], bytes]:
    return lambda: request("POST", target, token("alice", "clerk"), *(fields or (JSON,)), body=body)


def anonymous(target: str, *fields: str) -> Callable[[], bytes]:
    return lambda: request("GET", target, *fields)


def by(*fields: Callable[[], str], target: str = "/orders") -> Callable[[], bytes]:
    return lambda: request("GET", target, *(field() for field in fields))


def document(content: bytes) -> Callable[[], bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream'
    body = head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    return post(body, "Content-Type: multipart/form-data; boundary=b", target="/documents")


def climbing() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../a.txt", "a")
    return stream.getvalue()


CLIMBING = climbing()
CASES = [
    Case("a read", get("/orders?limit=5"), 200),
    Case("a write", post(b'{"note":"hello"}'), 200),
    Case("a public read", anonymous("/health"), 200),
    Case("who vouches for callers", anonymous("/.well-known/oauth-protected-resource"), 200),
    Case("one's own account", get("/accounts/a-1"), 200),
    Case("an upload", post(b"\0" * 4000, "Content-Type: application/octet-stream", target="/uploads"), 200),
    Case("a file", get("/file"), 200),
    Case("an escaped path in its canonical form", get("/%6Frders"), 200),
    Case("forged forwarding", get("/orders", "X-Forwarded-For: 127.0.0.1", "Doorward-Caller: x"), 200),
    Case("an error of the upstream", get("/crash"), 500),
    Case("traversal", get("/orders/../accounts/a-1"), 400, "transport.path_traversal"),
    Case("a double slash", get("//orders"), 400, "transport.path_traversal"),
    Case("an escape twice", get("/%256Frders"), 400, "transport.path_double"),
    Case("a path parameter", get("/orders;a=b"), 400, "transport.path_matrix"),
    Case("an alias", get("/orders", "X_Forwarded_For: 127.0.0.1"), 400, "transport.header_alias"),
    Case("two tokens", get("/orders", "Authorization: Bearer x"), 400, "transport.header_duplicate"),
    Case("a host that is none", lambda: request("GET", "/orders", token(), host="a b"), 400, "transport.host_invalid"),
    Case("no host", lambda: request("GET", "/orders", token(), host=""), 400, "transport.host_invalid"),
    Case("TRACE", lambda: request("TRACE", "/orders", token()), 405, "transport.method_denied"),
    Case("a body on GET", lambda: request("GET", "/orders", token(), body=b"x"), 400, "transport.unexpected_body"),
    Case("a long target", get("/orders?limit=" + "1" * 9000), 414, "limits.target_size"),
    Case("many fields", get("/orders", *(f"X-{number}: 1" for number in range(100))), 431, "limits.header_size"),
    Case("a large head", get("/orders", *(f"X-{number}: {'a' * 1000}" for number in range(17))), 431, "limits.header_size"),
    Case("a large body", post(b'{"note":"' + b"a" * 5000 + b'"}'), 413, "limits.body_size"),
    Case("a large upload", post(b"\0" * 5000, "Content-Type: application/octet-stream", target="/uploads"), 413, "limits.body_size"),
    Case("beyond the rate", by(lambda: token("fast"), target="/once"), 429, "limits.rate", times=2),
    Case("beyond the quota", by(lambda: token("much", "metered")), 429, "limits.quota", times=2),
    Case("no credential", anonymous("/orders"), 401, "authenticate.missing"),
    Case("a forged token", by(lambda: token(key=OTHER_KEY)), 401, "authenticate.token_key"),
    Case("an expired token", by(lambda: token(exp=1)), 401, "authenticate.token_time"),
    Case("a token for others", by(lambda: token(aud="others")), 401, "authenticate.token_claims"),
    Case("no role", lambda: request("POST", "/orders", token(), JSON, body=b'{"note":"a"}'), 403, "authorize.role"),
    Case("another's account", get("/accounts/b-2"), 404, "authorize.owner"),
    Case("an unknown path", get("/nothing"), 404, "validate.path_unknown"),
    Case("an unknown method", lambda: request("DELETE", "/orders", token()), 405, "validate.method"),
    Case("a bad parameter", get("/orders?limit=1000"), 400, "validate.parameter"),
    Case("an unknown parameter", get("/orders?debug=1"), 400, "validate.parameter"),
    Case("another media type", post(b"note=a", "Content-Type: text/plain"), 415, "validate.content_type"),
    Case("broken JSON", post(b'{"note":'), 400, "validate.json_syntax"),
    Case("a member twice", post(b'{"note":"a","note":"b"}'), 400, "validate.json_duplicate"),
    Case("another type", post(b'{"note":1}'), 400, "validate.schema"),
    Case("an undeclared member", post(b'{"note":"a","admin":true}'), 400, "validate.unknown_property"),
    Case("SQL", post(b'{"note":"x\' OR 1=1 UNION SELECT password FROM users --"}'), 403, "inspect.sql"),
    Case("script", post(b'{"note":"<script>alert(1)</script>"}'), 403, "inspect.xss"),
    Case("a clean file", document(b"clean"), 200),
    Case("a file of its largest size", document(b"x" * 2000), 200),
    Case("a file above it", document(b"x" * 2001), 413, "validate.upload_size"),
    Case("malware", document(EICAR), 403, "validate.malware"),
    Case("a file whose scan fails", document(b"unscannable"), 503, "validate.unscanned"),
    Case("an archive that climbs", document(CLIMBING), 400, "validate.archive"),
    Case("an undeclared answer", get("/page"), 502, "minimise.response_schema"),
]  # fmt: skip


@pytest.fixture(scope="module")
def mounts() -> Iterator[Mounts]:
    with Mounts() as mounts:
        yield mounts


def code_of(answer: Answer) -> str:
    if answer.headers.get(b"content-type") != b"application/problem+json":
        return ""
    return str(orjson.loads(answer.body)["type"]).removeprefix("urn:doorward:denial:").removeprefix("about:blank")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mount_gives_the_same_verdict(mounts: Mounts, case: Case) -> None:
    raw = case.raw()
    answers = {}
    for mount in mounts.ports:
        for _ in range(case.times):
            answers[mount] = mounts.ask(mount, raw)
    for mount, answer in answers.items():
        assert (mount, answer.status, code_of(answer)) == (mount, case.status, case.code)
    told = [{name: answer.headers.get(name) for name in TOLD} for answer in answers.values()]
    assert told[0] == told[1]
    if not case.code:
        bodies = [answer.body.replace(answer.headers[b"x-request-id"], b"") for answer in answers.values()]
        assert [len(body) for body in bodies] == [len(bodies[0])] * 2
        assert b"undeclared" not in bodies[0] + bodies[1]
        assert b"secret" not in bodies[0] + bodies[1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mount_records_it_the_same(mounts: Mounts, case: Case) -> None:
    raw = case.raw()
    recorded = []
    for mount, audit in mounts.audits.items():
        for _ in range(case.times):
            answer = mounts.ask(mount, raw)
        request_id = bytes.fromhex(answer.headers[b"x-request-id"].decode())
        entries = [entry for entry in audit.entries() if entry.request_id == request_id]
        kinds = sorted(type(entry).__name__ for entry in entries)
        outcome = next(msgspec.structs.asdict(entry) for entry in entries if isinstance(entry, Outcome))
        ignored = MAY_DIFFER | ({"method", "content_tag", "policy_version"} if case.code in UNREAD else set())
        recorded.append((kinds, {name: value for name, value in outcome.items() if name not in ignored}))
    assert recorded[0] == recorded[1]
    assert (recorded[0][1]["status"], recorded[0][1]["code"]) == (case.status, case.code)


LONG = 20_000
"""Orders of more than a mebibyte together."""


@pytest.mark.parametrize("count", [3, LONG])
@pytest.mark.parametrize("written", ["json", "lines", "csv"])
def test_long_answers_are_filtered_and_masked_in_pieces_as_short_ones_are_whole(
    mounts: Mounts, written: str, count: int
) -> None:
    raw = request("GET", f"/many?count={count}&as={written}", token())
    note = "paid with **** **** **** 1111"
    for mount in mounts.ports:
        answer = mounts.ask(mount, raw)
        assert answer.status == 200
        if written == "csv":
            assert answer.body.decode() == "".join(f"o-{number},{note}\n" for number in range(count))
            continue
        body = answer.body if written == "json" else b"[" + b",".join(answer.body.splitlines()) + b"]"
        assert orjson.loads(body) == [{"id": f"o-{number}", "note": note} for number in range(count)]


@pytest.mark.parametrize("written", ["json", "lines"])
def test_a_long_answer_that_breaks_a_rule_is_broken_off_and_recorded(mounts: Mounts, written: str) -> None:
    raw = request("GET", f"/many?count={LONG}&as={written}&fault=1", token())
    for mount, port in mounts.ports.items():
        with Client(port) as client:
            client.send(raw)
            with pytest.raises(EOFError, match="cut"):
                client.answer()
        closed = [entry for entry in mounts.audits[mount].entries() if isinstance(entry, Closed)][-1]
        assert not closed.complete
        assert "minimise.response_schema" in closed.detail
        assert "minimise.undeclared_field" in closed.detail


def test_the_application_is_told_what_an_upstream_is_told(mounts: Mounts) -> None:
    raw = request("GET", "/seen", token(), "X-Forwarded-For: 6.6.6.6", "Connection: X-Odd", "X-Odd: 1", "X-Fine: 2")
    seen = [orjson.loads(mounts.ask(mount, raw).body) for mount in mounts.ports]
    assert seen[0]["path"] == seen[1]["path"]
    differ = {"host", "doorward-caller", "x-request-id"}
    fields = [{tuple(field) for field in one["fields"] if field[0] not in differ} for one in seen]
    assert fields[0] == fields[1]
    assert ("x-fine", "2") in fields[0]
    assert not {"authorization", "x-odd"} & {name for name, _ in fields[0]}
    assert all("doorward-caller" in dict(one["fields"]) for one in seen)


@pytest.mark.parametrize("raw", [get("/orders"), post(b'{"note":"a"}'), get("/file")], ids=["read", "write", "file"])
def test_without_a_record_no_mount_answers(mounts: Mounts, raw: Callable[[], bytes]) -> None:
    for mount, audit in mounts.audits.items():
        audit.fails = lambda _: True
        try:
            answer = mounts.ask(mount, raw())
        finally:
            audit.fails = lambda _: False
        assert (mount, answer.status, code_of(answer)) == (mount, 503, "audit.unavailable")


@pytest.mark.parametrize("mount", ["gateway", "asgi"])
def test_a_request_beyond_a_throttling_rule_is_held_back_and_then_served(mount: str) -> None:
    with Mounts() as mounts:
        raw = request("GET", "/health", "X-Tenant: a")
        assert [mounts.ask(mount, raw).status for _ in range(3)] == [200, 200, 200]
        findings = [one.findings for one in mounts.audits[mount].wait_for_outcomes(3)]
    assert "limits.throttled:tenants" not in findings[0]
    assert any("limits.throttled:tenants" in one for one in findings[1:])


@pytest.mark.parametrize("mount", ["gateway", "asgi"])
def test_a_place_under_way_is_given_back_however_the_exchange_ends(mount: str) -> None:
    with Mounts() as mounts:
        for target in ("/health", "/crash", "/nowhere", "/health"):
            credential = [token()] if target == "/crash" else []
            answer = mounts.ask(mount, request("GET", target, "X-One: 1", *credential))
            assert code_of(answer) != "limits.concurrency", target
        assert mounts.ask(mount, request("GET", "/health", "X-One: 1")).status == 200
