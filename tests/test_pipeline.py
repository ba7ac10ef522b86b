"""The order of the controls, and what a mode or an operation's own settings change in it."""

from typing import Any

import orjson
import pytest

from doorward.controls.authenticate import Credentials
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.controls.validate.learning import noted_shape
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Response, Source
from doorward.jose import generate_key
from doorward.pipeline import STAGES, Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {"responses": {"200": {"description": "ok"}}},
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"type": "object", "properties": {"note": {"type": "string"}}}}
                    },
                },
                "responses": {"201": {"description": "made"}},
            },
        },
    },
}


def pipeline_of(**settings: Any) -> Pipeline:
    written = {"api": "openapi.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True}
    policy = Policy.model_validate_json(orjson.dumps({**written, "roles": {"clerk": ["*"]}, **settings}))
    return compile_pipeline(
        policy,
        description_from_document(DOCUMENT),
        version="v1",
        credentials=Credentials(),
        signer=IdentitySigner(generate_key("ES256")),
        counters=Counters(),
        record_key=b"k" * 32,
    )


def exchange_of(method: str = "GET", path: bytes = b"/orders", *, query: bytes = b"", body: bytes = b"") -> Exchange:
    fields = [(b"host", b"localhost")]
    if body:
        fields += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    request = Request(method, path, path, query, Headers(fields), has_body=bool(body), body=body)
    return Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="127.0.0.1"), request=request)


@pytest.mark.parametrize("said_in", ["policy", "description"])
def test_an_operation_that_takes_graphql_is_bounded_wherever_that_is_said(
    said_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"graphql": {"depth": 2}}
    if said_in == "description":
        monkeypatch.setitem(DOCUMENT["paths"]["/orders"]["post"], "x-doorward", settings)
    operations = {"POST /orders": settings} if said_in == "policy" else {}
    schema = {"type": "object", "properties": {"query": {"type": "string"}}}
    content = DOCUMENT["paths"]["/orders"]["post"]["requestBody"]["content"]
    monkeypatch.setitem(content["application/json"], "schema", schema)
    pipeline = pipeline_of(public=("POST /orders",), operations=operations)
    assert refusal(pipeline, exchange_of("POST", body=b'{"query":"{a{b{c}}}"}')) == "validate.graphql"
    exchange = exchange_of("POST", body=b'{"query":"{a{b}}"}')
    pipeline.admit_body(exchange, pipeline.admit_head(exchange))


def asked_by_page(method: str, path: bytes, origin: bytes) -> Exchange:
    fields = [(b"host", b"localhost"), (b"origin", origin), (b"access-control-request-method", b"POST")]
    request = Request(method, path, path, b"", Headers(fields))
    return Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="127.0.0.1"), request=request)


def test_a_preflight_question_needs_no_credential_and_reaches_no_upstream() -> None:
    pipeline = pipeline_of(minimise={"cors": {"origins": ["https://app.example"]}})
    answer = pipeline.preflight(asked_by_page("OPTIONS", b"/orders", b"https://app.example"))
    assert answer is not None
    assert (answer.status, dict(answer.headers)[b"access-control-allow-methods"]) == (204, b"GET, POST")
    with pytest.raises(Denied) as denied:
        pipeline.preflight(asked_by_page("OPTIONS", b"/nowhere", b"https://app.example"))
    assert denied.value.code == "validate.path_unknown"
    assert pipeline.preflight(asked_by_page("GET", b"/orders", b"https://app.example")) is None
    assert pipeline_of().preflight(asked_by_page("OPTIONS", b"/orders", b"https://app.example")) is None


def test_a_page_of_a_listed_origin_may_read_a_refusal_too() -> None:
    pipeline = pipeline_of(minimise={"cors": {"origins": ["https://app.example"]}})
    exchange = asked_by_page("GET", b"/orders", b"https://app.example")
    with pytest.raises(Denied):
        pipeline.admit_head(exchange)
    assert (b"access-control-allow-origin", b"https://app.example") in exchange.answer_headers


def refusal(pipeline: Pipeline, exchange: Exchange) -> str:
    with pytest.raises(Denied) as refused:
        pipeline.admit_body(exchange, pipeline.admit_head(exchange))
    return refused.value.code


def test_a_request_that_is_wrong_in_every_way_is_refused_by_the_first_control() -> None:
    pipeline = pipeline_of()
    exchange = exchange_of("POST", b"/orders/../admin", query=b"x=1", body=b"{")
    assert refusal(pipeline, exchange).startswith("transport.")


def test_a_flood_of_malformed_requests_is_counted_as_a_flood() -> None:
    pipeline = pipeline_of(limits={"per_address": "1/minute"})
    assert refusal(pipeline, exchange_of(path=b"/orders/../admin")).startswith("transport.")
    assert refusal(pipeline, exchange_of(path=b"/orders/../admin")) == "limits.rate"


def test_an_unknown_path_is_refused_before_anybody_asks_who_calls() -> None:
    assert refusal(pipeline_of(), exchange_of(path=b"/nothing")) == "validate.path_unknown"


def test_who_calls_is_asked_before_parameters_are_judged() -> None:
    assert refusal(pipeline_of(), exchange_of(query=b"surprise=1")) == "authenticate.missing"


def test_parameters_are_judged_when_the_operation_is_public() -> None:
    assert refusal(pipeline_of(public=("GET /orders",)), exchange_of(query=b"surprise=1")) == "validate.parameter"


def test_a_harmless_request_to_a_public_operation_is_admitted_with_its_facts() -> None:
    pipeline = pipeline_of(public=("POST /orders",))
    exchange = exchange_of("POST", body=b'{"note":"two please"}')
    plan = pipeline.admit_head(exchange)
    pipeline.admit_body(exchange, plan)
    assert exchange.operation is plan.operation
    assert exchange.json_body == {"note": "two please"}
    assert exchange.policy_version == "v1"
    assert plan.records_intent


def test_the_body_is_judged_before_it_is_inspected() -> None:
    pipeline = pipeline_of(public=("POST /orders",))
    attack = b'{"note":"1\' UNION SELECT password FROM users --","more":1}'
    assert refusal(pipeline, exchange_of("POST", body=attack)) == "validate.unknown_property"
    assert refusal(pipeline, exchange_of("POST", body=attack.replace(b',"more":1', b""))) == "inspect.sql"


def test_observe_records_what_it_would_have_refused_and_lets_it_pass() -> None:
    pipeline = pipeline_of(public=("POST /orders",), modes={"inspect": "observe"})
    exchange = exchange_of("POST", body=b'{"note":"1\' UNION SELECT password FROM users --"}')
    pipeline.admit_body(exchange, pipeline.admit_head(exchange))
    assert exchange.findings == ["observe:inspect.sql /note"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"note":"1 union select password from users","more":1}',
        b'{"note":"1; drop table users--","more":1}',
        b'{"note":"1 union select password from users","note":"x"}',
    ],
)
def test_inspect_enforces_although_validate_only_observes(body: bytes) -> None:
    pipeline = pipeline_of(public=("POST /orders",), modes={"validate": "observe"})
    assert refusal(pipeline, exchange_of("POST", body=body)) == "inspect.sql"


def test_a_control_that_is_off_is_not_in_the_plan() -> None:
    pipeline = pipeline_of(public=("POST /orders",), modes={"inspect": "off"})
    exchange = exchange_of("POST", body=b'{"note":"1\' UNION SELECT password FROM users --"}')
    pipeline.admit_body(exchange, pipeline.admit_head(exchange))
    assert exchange.findings == []


def test_a_mode_written_for_one_operation_leaves_the_others_alone() -> None:
    pipeline = pipeline_of(operations={"GET /orders": {"modes": {"authenticate": "off", "authorize": "off"}}})
    pipeline.admit_head(exchange_of())
    assert refusal(pipeline, exchange_of("POST", body=b"{}")) == "authenticate.missing"


def test_a_body_that_the_operation_does_not_declare_is_refused() -> None:
    assert refusal(pipeline_of(public=("GET /orders",)), exchange_of(body=b"{}")) == "transport.unexpected_body"


def test_an_unknown_verb_of_a_known_path_is_answered_with_what_is_allowed() -> None:
    with pytest.raises(Denied) as refused:
        pipeline_of().admit_head(exchange_of("DELETE"))
    assert refused.value.code == "validate.method"
    assert (b"allow", b"GET, POST") in refused.value.headers


def test_minimise_observed_changes_nothing_and_records_what_it_would_have_done() -> None:
    exchange = answered(pipeline_of(public=("GET /orders",), modes={"minimise": "observe"}))
    assert exchange.response is not None
    assert (b"server", b"bank/1.0") in exchange.response.headers
    assert exchange.response.body == b'{"secret":1}'
    assert exchange.findings == ["observe:minimise.response_schema"]


def test_minimise_off_changes_and_records_nothing() -> None:
    exchange = answered(pipeline_of(public=("GET /orders",), modes={"minimise": "off"}))
    assert exchange.response is not None
    assert exchange.response.body == b'{"secret":1}'
    assert exchange.findings == []


def test_minimise_enforced_lets_no_undeclared_body_out() -> None:
    with pytest.raises(Denied) as refused:
        answered(pipeline_of(public=("GET /orders",)))
    assert refused.value.code == "minimise.response_schema"


def answered(pipeline: Pipeline) -> Exchange:
    exchange = exchange_of()
    plan = pipeline.admit_head(exchange)
    headers = [(b"server", b"bank/1.0"), (b"content-type", b"application/json")]
    exchange.response = Response(200, headers, b'{"secret":1}')
    plan.release.apply(exchange)
    return exchange


def test_the_stages_that_people_are_shown_are_those_of_the_plans() -> None:
    """Where a control stands twice in a row, it is one stage."""
    pipeline = pipeline_of(limits={"quota": {"clerk": "10/day"}})
    plan, _ = pipeline._router.find("POST", b"/orders")
    found: list[str] = []
    for check in (*pipeline._address, *pipeline._first[1:], *plan.head, *plan.body):
        module = type(getattr(check, "__self__", None)).__module__ if hasattr(check, "__self__") else check.__module__
        control = module.split(".")[2]
        if found[-1:] != [control]:
            found.append(control)
    assert found == [stage for stage in STAGES if stage not in {"audit", "forward", "minimise"}]


def unknown(method: str, path: bytes, query: bytes = b"", body: bytes = b"") -> Exchange:
    return exchange_of(method, path, query=query, body=body)


def test_what_the_description_lacks_passes_only_where_the_policy_says_so_and_is_noted_without_its_values() -> None:
    assert refusal(pipeline_of(), unknown("GET", b"/nothing")) == "validate.path_unknown"
    pipeline = pipeline_of(insecure_undescribed=True, public=("GET /orders",))
    made = unknown("POST", b"/tickets/7", b"notify=true&a%20b=secret", b'{"title":"my secret","tags":["x"],"n":1.5}')
    plan = pipeline.admit_head(made)
    pipeline.admit_body(made, plan)
    assert plan.operation.id == "undescribed"
    assert plan.records_intent
    note = noted_shape(made.findings)
    assert orjson.loads(note) == {
        "query": {"notify": "boolean"},
        "type": "application/json",
        "body": {"title": "string", "tags": ["string"], "n": "number"},
    }
    assert "secret" not in note
    assert refusal(pipeline, unknown("GET", b"/nothing", b"q=1'+OR+'a'='a")) == "inspect.sql"
    # what is described is held to its description as ever
    assert refusal(pipeline, exchange_of("GET", b"/orders", query=b"debug=1")) == "validate.parameter"
    # a method that a described path lacks is undescribed too
    assert pipeline.admit_head(unknown("DELETE", b"/orders")).operation.id == "undescribed"


def test_what_the_description_lacks_asks_for_the_credential_that_the_document_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DOCUMENT, "security", [{"bearer": []}])
    monkeypatch.setitem(DOCUMENT, "components", {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}})
    pipeline = pipeline_of(insecure_undescribed=True)
    assert refusal(pipeline, unknown("GET", b"/nothing")) == "authenticate.missing"
