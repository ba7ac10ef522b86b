"""Where a request came from, when proxies stand in front (hostile input H4)."""

from tests.gateway.lab import request, running

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy

LISTED = TransportPolicy(trusted_proxies=("127.0.0.0/8",)).proxies()
ELSEWHERE = TransportPolicy(trusted_proxies=("10.0.0.0/8",)).proxies()


def test_a_listed_proxy_is_believed_about_the_client() -> None:
    with running(proxies=LISTED) as lab:
        answer = lab.ask(request("GET", "/items", "X-Forwarded-For: 6.6.6.6, 192.0.2.7"))
        assert answer is not None
        assert answer.status == 200
        outcome = lab.audit.wait_for_outcomes(1)[0]
        assert outcome.address == "192.0.2.7"
        assert "transport.via:127.0.0.1" in outcome.findings
        head = lab.upstream.seen[0].head.lower()
        assert b"x-forwarded-for: 192.0.2.7\r\n" in head
        assert b"6.6.6.6" not in head


def test_a_peer_that_is_not_listed_is_not_believed() -> None:
    for known in (None, ELSEWHERE):
        with running(proxies=known) as lab:
            lab.ask(request("GET", "/items", "X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"))
            assert lab.audit.wait_for_outcomes(1)[0].address == "127.0.0.1"
            assert b"192.0.2.7" not in lab.upstream.seen[0].head


def test_each_request_of_a_proxys_connection_has_its_own_client() -> None:
    with running(proxies=LISTED) as lab, lab.connect() as proxy:
        for client in ("192.0.2.7", "192.0.2.8", "192.0.2.7"):
            proxy.send(request("GET", "/items", f"X-Forwarded-For: {client}"))
            answer = proxy.answer()
            assert answer is not None
            assert answer.status == 200
        assert [one.address for one in lab.audit.wait_for_outcomes(3)] == ["192.0.2.7", "192.0.2.8", "192.0.2.7"]


def test_a_list_that_is_no_list_of_proxies_is_refused_and_recorded() -> None:
    with running(proxies=LISTED) as lab:
        answer = lab.ask(request("GET", "/items", "X-Forwarded-For: " + ",".join(["192.0.2.7"] * 33)))
        assert answer is not None
        assert answer.code == "transport.header_alias"
        assert lab.audit.wait_for_outcomes(1)[0].code == "transport.header_alias"


def test_connections_of_a_listed_proxy_are_not_taken_for_one_clients() -> None:
    with running(proxies=LISTED, limits=LimitsPolicy(connections_per_address=1)) as lab:
        with lab.connect() as one, lab.connect() as two:
            for client in (one, two):
                client.send(request())
                answer = client.answer()
                assert answer is not None
                assert answer.status == 200
        lab.wait_until(lambda: lab.gateway.load.connections == 0)


def test_how_the_client_came_is_taken_over_where_the_policy_says_so() -> None:
    fields = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
    taking = TransportPolicy(trusted_proxies=("127.0.0.0/8",), client_scheme=True).proxies()
    for listed, scheme in ((taking, b"https"), (LISTED, b"http"), (None, b"http")):
        with running(proxies=listed) as lab:
            lab.ask(request("GET", "/items", *fields))
            assert b"x-forwarded-proto: " + scheme + b"\r\n" in lab.upstream.seen[0].head.lower() + b"\r\n"
