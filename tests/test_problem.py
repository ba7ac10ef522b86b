"""A refusal says what the client may know, and nothing else."""

import orjson
import pytest

from doorward.denial import DENIALS, Denied
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.problem import denial_response, fault_response


@pytest.fixture
def exchange() -> Exchange:
    request = Request("GET", b"/", b"/", b"", Headers([]))
    return Exchange(id="0" * 32, now=0.0, ticks=0.0, source=Source(address="127.0.0.1"), request=request)


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_answers_with_its_code_and_status_only(exchange: Exchange, code: str) -> None:
    response = denial_response(exchange, Denied(code, "the secret reason"))
    assert response.body is not None
    document = orjson.loads(response.body)
    assert document["type"] == f"urn:doorward:denial:{code}"
    assert document["status"] == response.status == DENIALS[code].status
    assert document["instance"].endswith(exchange.id)
    assert b"secret reason" not in response.body


@pytest.mark.parametrize("code", DENIALS)
def test_a_denial_that_leaves_framing_in_doubt_closes_the_connection(exchange: Exchange, code: str) -> None:
    headers = denial_response(exchange, Denied(code, "")).headers
    assert ((b"connection", b"close") in headers) is DENIALS[code].closes


def test_what_a_control_lets_the_client_know_stands_in_the_problem(exchange: Exchange) -> None:
    denied = Denied("validate.schema", "", public={"errors": [{"pointer": "#/amount"}]}, headers=((b"x-a", b"b"),))
    response = denial_response(exchange, denied)
    assert response.body is not None
    assert orjson.loads(response.body)["errors"] == [{"pointer": "#/amount"}]
    assert (b"x-a", b"b") in response.headers


def test_a_fault_says_only_that_we_broke(exchange: Exchange) -> None:
    exchange.fault = "KeyError: 'password'"
    response = fault_response(exchange)
    assert response.body is not None
    assert response.status == 500
    assert b"password" not in response.body
    assert (b"connection", b"close") in response.headers


@pytest.mark.parametrize("code", DENIALS)
def test_a_denial_status_is_one_the_design_allows(code: str) -> None:
    allowed = {400, 401, 403, 404, 405, 406, 408, 413, 414, 415, 421, 429, 431, 501, 502, 503, 504}
    assert DENIALS[code].status in allowed
