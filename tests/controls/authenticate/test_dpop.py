"""Proofs of possession (RFC 9449): statements ID-41 to ID-46 of the reference, at the resource."""

import base64
import hashlib
from typing import Any

import pytest

from doorward.controls.authenticate import NoReplays, OwnReplays
from doorward.controls.authenticate.nonces import LIFE_S
from doorward.controls.authenticate.proof_claims import AHEAD_S, normal_origin, normal_path
from doorward.controls.authenticate.replay import ReplaySet
from doorward.errors import PolicyError
from doorward.jose import ALGORITHMS, Algorithm, PrivateKey, generate_key, sign_proof
from doorward.operation import SecurityScheme

CLIENT = generate_key("ES256")
THIEF = generate_key("ES256")
KEYS = {algorithm: generate_key(algorithm, rsa_bits=2048) for algorithm in ALGORITHMS}
ALGS = (
    b'algs="ES256 EdDSA PS256 RS256 Ed25519", '
    b'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
)
BEARER = SecurityScheme(name="jwt", kind="http", http_scheme="bearer")
DPOP = SecurityScheme(name="dpop", kind="http", http_scheme="dpop")
KEY_SCHEME = SecurityScheme(name="key", kind="apiKey", location="header", parameter="X-Api-Key")


def hashed(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


class Client:
    """Who holds a key and a token bound to it. Each proof has a `jti` of its own."""

    def __init__(self, door: Any, key: PrivateKey = CLIENT) -> None:
        self.door, self.key = door, key
        self.token: str = door.token(cnf={"jkt": key.public.thumbprint})
        self._count = 0

    def proof(self, *, signer: PrivateKey | None = None, header: Any = None, **changes: Any) -> str:
        self._count += 1
        claims = {
            "jti": f"j-{self._count}",
            "htm": "GET",
            "htu": "https://api.example/x",
            "iat": self.door.NOW,
            "ath": hashed(self.token),
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign_proof(signer or self.key, kept, header=header)

    def headers(self, proof: str | None = None, scheme: str = "DPoP") -> tuple[tuple[str, str], ...]:
        return (("Authorization", f"{scheme} {self.token}"), ("DPoP", proof or self.proof()))

    def code(self, proof: str | None = None, **more: Any) -> str:
        code: str = self.door.code(*self.headers(proof), **more)
        return code.removeprefix("authenticate.")


@pytest.fixture
def client(door: Any) -> Client:
    door.policy = door.policy.model_copy(update={"hosts": ("api.example",)})
    return Client(door)


def use(door: Any, **changes: Any) -> None:
    door.policy = door.policy.model_copy(update=changes)


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_a_bound_token_with_its_proof_proves_the_caller(client: Client, scheme: str) -> None:
    asked = client.door.ask(*client.headers(scheme=scheme))
    assert asked.caller.subject == "alice"
    assert asked.answer_headers == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_by_a_key_of_each_algorithm_is_taken(client: Client, algorithm: Algorithm) -> None:
    assert client.door.ask(*Client(client.door, KEYS[algorithm]).headers())


def test_a_bound_token_is_never_taken_for_a_bearer_token(client: Client) -> None:
    for headers in ([client.door.bearer(client.token)], client.headers(scheme="Bearer")):
        denied = client.door.denied(*headers)
        assert denied.code == "authenticate.proof_missing"
        assert denied.headers[0] == (b"www-authenticate", b'DPoP realm="api", error="invalid_token", ' + ALGS)


def test_a_bound_token_without_a_proof_is_refused(client: Client) -> None:
    assert client.door.code(client.headers()[0]) == "authenticate.proof_missing"


def test_an_unbound_token_is_no_bound_one_because_it_says_so(client: Client) -> None:
    client.token = client.door.token()
    denied = client.door.denied(*client.headers())
    assert denied.code == "authenticate.token_unbound"


def test_exactly_one_proof_comes_with_a_request(client: Client) -> None:
    assert client.door.code(*client.headers(), ("DPoP", client.proof())) == "authenticate.proof_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "POST"},
        {"htm": "get"},
        {"htm": None},
        {"htu": "https://evil.example/x"},
        {"htu": "http://api.example/x"},
        {"htu": "https://api.example:8443/x"},
        {"htu": "https://api.example.evil.example/x"},
        {"htu": "https://api.example@evil.example/x"},
        {"htu": "https://user@api.example/x"},
        {"htu": "https://api.example/y"},
        {"htu": "https://api.example/x/"},
        {"htu": "https://api.example/X"},
        {"htu": "https://api.example/y/../x"},
        {"htu": "https://api.example/x%2F"},
        {"htu": "/x"},
        {"htu": "https://[::1/x"},
        {"htu": "https://api.example/\u00e9"},
        {"htu": ["https://api.example/x"]},
        {"htu": None},
        {"ath": "x"},
        {"ath": None},
        {"ath": 5},
        {"ath": ["x"]},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "j" * 257},
        {"iat": None},
        {"iat": "1800000000"},
        {"iat": True},
        {"iat": 1e300},
        {"iat": 1_800_000_000 - 61},
        {"iat": 1_800_000_000 + 11},
    ],
)
def test_a_proof_of_another_request_token_or_time_is_refused(client: Client, changes: dict[str, Any]) -> None:
    denied = client.door.denied(*client.headers(client.proof(**changes)))
    assert denied.code == "authenticate.proof_invalid"
    assert denied.headers[0] == (b"www-authenticate", b'DPoP realm="api", error="invalid_dpop_proof", ' + ALGS)
    assert denied.headers[1][0] == b"dpop-nonce"


@pytest.mark.parametrize(
    "changes",
    [
        {"htu": "HTTPS://API.Example:443/x"},
        {"htu": "https://api.example/x?page=2#part"},
        {"htu": "https://api.example/%78"},
        {"iat": 1_800_000_000 - 60},
        {"iat": 1_800_000_000 + 10},
        {"iat": 1_800_000_000 - 0.5},
        {"vendor": {"a": 1}, "exp": 1, "nbf": 5},
    ],
)
def test_a_proof_may_spell_the_target_otherwise_be_a_little_off_and_say_more(client: Client, changes: Any) -> None:
    assert client.door.ask(*client.headers(client.proof(**changes)))


def test_a_stolen_token_is_of_no_use_with_the_thiefs_own_key(client: Client) -> None:
    assert client.code(client.proof(signer=THIEF)) == "proof_invalid"
    public = {name: CLIENT.public.jwk()[name] for name in ("kty", "crv", "x", "y")}
    assert client.code(client.proof(signer=THIEF, header={"jwk": public})) == "proof_invalid"


@pytest.mark.parametrize("proof", ["", "x", "a.b.c", "A" * 9000])
def test_what_is_no_proof_is_refused(client: Client, proof: str) -> None:
    headers = (client.headers()[0], ("DPoP", proof))
    assert client.door.code(*headers) == "authenticate.proof_invalid"


def test_an_access_token_is_no_proof(client: Client) -> None:
    assert client.code(client.token) == "proof_invalid"


def test_a_proof_is_used_once_however_its_signature_is_written(client: Client) -> None:
    proof = client.proof(jti="once")
    assert client.door.ask(*client.headers(proof))
    assert client.code(proof) == "proof_replayed"
    assert client.code(client.proof(jti="once"), now=client.door.NOW + 60) == "proof_replayed"
    assert client.door.ask(*client.headers(client.proof(jti="another")))


def test_two_clients_may_have_the_same_jti(client: Client) -> None:
    other = Client(client.door, THIEF)
    assert client.door.ask(*client.headers(client.proof(jti="same")))
    assert client.door.ask(*other.headers(other.proof(jti="same")))


def test_a_proof_that_does_not_hold_uses_up_nothing(client: Client) -> None:
    assert client.code(client.proof(jti="mine", htm="POST")) == "proof_invalid"
    assert client.door.ask(*client.headers(client.proof(jti="mine")))


def nonce_of(denied: Any) -> str:
    return str(dict(denied.headers)[b"dpop-nonce"], "ascii")


def test_a_nonce_that_the_policy_demands_is_given_out_and_taken(client: Client) -> None:
    use(client.door, proof_nonce="required")
    denied = client.door.denied(*client.headers())
    assert denied.code == "authenticate.proof_nonce"
    assert denied.headers[0][1].startswith(b'DPoP realm="api", error="use_dpop_nonce"')
    assert client.door.ask(*client.headers(client.proof(nonce=nonce_of(denied))))


@pytest.mark.parametrize("nonce", ["", "x", "A" * 30, 5, None])
def test_a_nonce_that_is_not_ours_is_refused_although_none_is_demanded(client: Client, nonce: object) -> None:
    claims = {"nonce": nonce} if nonce is not None else {"nonce": ["a"]}
    assert client.code(client.proof(**claims)) == "proof_nonce"


def test_a_nonce_is_good_for_its_life_and_one_of_another_gateway_never(client: Client) -> None:
    nonce = client.door.credentials.nonces.fresh(client.door.NOW).decode()
    late = client.door.NOW + LIFE_S - 1
    assert client.door.ask(*client.headers(client.proof(nonce=nonce)), now=late)
    assert client.code(client.proof(nonce=nonce), now=client.door.NOW + LIFE_S) == "proof_nonce"
    assert client.code(client.proof(nonce=nonce), now=client.door.NOW - 1) == "proof_nonce"
    from doorward.controls.authenticate import Nonces

    foreign = Nonces(b"x" * 32).fresh(client.door.NOW).decode()
    assert client.code(client.proof(nonce=foreign)) == "proof_nonce"


def test_with_a_nonce_the_clients_clock_need_not_be_right(client: Client) -> None:
    nonce = client.door.credentials.nonces.fresh(client.door.NOW).decode()
    assert client.door.ask(*client.headers(client.proof(nonce=nonce, iat=5)))
    assert client.code(client.proof(nonce=nonce, iat="5")) == "proof_invalid"


def test_the_next_nonce_comes_with_an_answer_when_half_of_the_life_is_over(client: Client) -> None:
    nonce = client.door.credentials.nonces.fresh(client.door.NOW).decode()
    young = client.door.ask(*client.headers(client.proof(nonce=nonce)), now=client.door.NOW + 59)
    assert young.answer_headers == []
    old = client.door.ask(*client.headers(client.proof(nonce=nonce)), now=client.door.NOW + 61)
    ((name, fresh),) = old.answer_headers
    assert name == b"dpop-nonce"
    assert client.door.ask(*client.headers(client.proof(nonce=fresh.decode())), now=client.door.NOW + 170)


def test_a_proof_with_a_nonce_is_used_once_for_as_long_as_the_nonce_lives(client: Client) -> None:
    nonce = client.door.credentials.nonces.fresh(client.door.NOW).decode()
    proof = client.proof(nonce=nonce)
    assert client.door.ask(*client.headers(proof))
    assert client.code(proof, now=client.door.NOW + LIFE_S - 1) == "proof_replayed"


def test_after_a_restart_what_an_earlier_life_may_have_seen_is_asked_for_anew(client: Client) -> None:
    door, born = client.door, client.door.NOW
    used = client.proof(iat=born - 5)
    kept = door.credentials.nonces.fresh(born - 20).decode()
    door.credentials.replays = OwnReplays(born_at=born)
    denied = door.denied(*client.headers(used), now=born + 1)
    assert denied.code == "authenticate.proof_nonce"
    assert client.code(client.proof(iat=born + AHEAD_S), now=born + 1) == "proof_nonce"
    assert client.code(client.proof(nonce=kept), now=born + 1) == "proof_nonce"
    again = client.proof(nonce=nonce_of(denied), iat=born + 1)
    assert door.ask(*client.headers(again), now=born + 2)
    assert door.ask(*client.headers(client.proof(iat=born + AHEAD_S + 1)), now=born + AHEAD_S + 2)


def test_where_nobody_remembers_no_proof_passes(client: Client) -> None:
    client.door.credentials.replays = NoReplays()
    denied = client.door.denied(*client.headers())
    assert denied.code == "authenticate.proof_nonce"
    assert client.code(client.proof(nonce=nonce_of(denied))) == "unavailable"


def test_a_host_that_the_client_chose_makes_no_proof_fit(client: Client) -> None:
    proof = client.proof(htu="https://evil.example/x")
    assert client.code(proof, host="evil.example") == "proof_invalid"
    assert client.code(client.proof(htu="https://evil.example:8443/x"), host="evil.example:8443") == "proof_invalid"
    assert client.door.ask(*client.headers(client.proof(htu="https://api.example:8443/x")), host="api.example:8443")


def test_without_any_name_of_the_api_no_proof_is_accepted(client: Client) -> None:
    use(client.door, hosts=())
    assert client.code() == "proof_invalid"


def test_origins_that_the_policy_lists_count_whatever_a_proxy_made_of_the_request(client: Client) -> None:
    use(client.door, proof_origins=("https://public.example",), hosts=())
    proof = client.proof(htu="https://public.example/x")
    assert client.door.ask(*client.headers(proof), host="10.0.0.7:8000", scheme="http")
    assert (
        client.code(client.proof(htu="http://10.0.0.7:8000/x"), host="10.0.0.7:8000", scheme="http") == "proof_invalid"
    )


def test_a_token_that_is_remembered_still_needs_a_proof_each_time(client: Client) -> None:
    assert client.door.ask(*client.headers())
    assert client.door.ask(*client.headers())
    assert client.door.code(client.headers()[0]) == "authenticate.proof_missing"
    assert client.code(client.proof(signer=THIEF)) == "proof_invalid"


def test_one_line_of_policy_makes_a_stolen_bearer_token_useless(client: Client) -> None:
    door = client.door
    assert door.ask(door.bearer())
    for demand in ("any", "dpop"):
        use(door, proof=demand)
        denied = door.denied(door.bearer())
        assert denied.code == "authenticate.token_unbound"
        assert b"DPoP" in denied.headers[0][1]
        assert door.ask(*client.headers())
        assert b"DPoP" in door.denied().headers[0][1]
    use(door, proof="certificate")
    assert client.code() == "token_unbound"


def test_an_operation_that_is_described_with_the_scheme_dpop_demands_proofs(client: Client) -> None:
    door = client.door
    door.security = ({DPOP: ()},)
    assert door.code(door.bearer()) == "authenticate.token_unbound"
    assert door.ask(*client.headers())
    door.security = ({DPOP: ()}, {BEARER: ()})
    assert door.ask(door.bearer())
    door.security = ({DPOP: ()}, {KEY_SCHEME: ()})
    assert door.ask(("X-Api-Key", door.API_KEY)).caller.kind == "api_key"
    assert door.code(door.bearer()) == "authenticate.token_unbound"


def test_demanding_proofs_without_any_name_of_the_api_is_the_operators_mistake(client: Client) -> None:
    use(client.door, proof="dpop", hosts=())
    with pytest.raises(PolicyError, match="made for this API"):
        client.door.ask(*client.headers())
    use(client.door, proof="certificate")
    assert client.code() == "token_unbound"


def test_a_request_that_was_admitted_before_needs_no_new_proof(client: Client) -> None:
    from doorward.controls.authenticate import compile_check
    from doorward.operation import Operation

    door = client.door
    operation = Operation(id="read", method="GET", path="/x", template="/x")
    again = compile_check(operation, door.policy, door.credentials, asks_for_proofs=False)
    headers = client.headers()
    assert door.ask(*headers)
    later = door.exchange(*headers, now=door.NOW + 300)
    again(later)
    assert later.caller is not None
    assert later.single_use == []


def test_a_proof_for_another_credential_costs_that_one_nothing(client: Client) -> None:
    assert client.door.ask(client.door.bearer(), ("DPoP", "nonsense"))


def test_names_are_compared_in_one_form() -> None:
    assert normal_origin("HTTP", "A.example:80") == "http://a.example"
    assert normal_origin("https", "a.example:80") == "https://a.example:80"
    assert normal_path("/a%2e%7E%2f%zz%") == "/a.~%2F%zz%"


def test_a_set_that_is_full_forgets_nothing_early() -> None:
    seen = ReplaySet(born_at=0.0, most=2)
    assert [seen.claim(name, usable_from=10, until=70, now=12) for name in (b"a", b"b", b"c")] == [
        "first",
        "first",
        "unknown",
    ]
    assert seen.claim(b"a", usable_from=10, until=70, now=70) == "seen"
    assert seen.claim(b"c", usable_from=75, until=140, now=90) == "first"
    assert len(seen) == 1
