"""`python -m bench.encrypted`: what it costs to open an encrypted request, and to encrypt an answer.

In this process, CPU time, the best of some rounds; `PYTHONPATH=.compiled` measures the compiled build. Nothing else is
done meanwhile: it is also how long one message keeps a worker from its other requests.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from bench.telling import Say, tell
from doorward.client import BodyEncrypter
from doorward.controls.authenticate import OwnKey, compile_opening
from doorward.controls.authenticate.encryption_keys import EncryptionKeys
from doorward.controls.authenticate.policy import EncryptedBodyPolicy
from doorward.denial import Denied
from doorward.exchange import Caller, Check, Exchange, Headers, Request, Response, Source
from doorward.gateway.worker import GC_ALLOCATIONS
from doorward.jose import DecryptionKey, EncryptionAlgorithm, generate_decryption_key

NOW: Final = 1_800_000_000.0
ROUNDS: Final = 5
SIZES: Final = (391, 16_384, 262_144, 1_048_576)
_WORK_BYTES: Final = 4_000_000
"""Content of all messages of a round together, at most; 200 of them at most."""
_ALGORITHMS: Final[tuple[EncryptionAlgorithm, ...]] = ("ECDH-ES+A256KW", "RSA-OAEP-256", "dir")
Row = tuple[str, int, float, float]


def opening_of(own: DecryptionKey) -> tuple[Check, BodyEncrypter]:
    """The check, and a client whose messages it opens."""
    keys = EncryptionKeys()
    shared = own.algorithm == "dir"
    answers = own if shared else generate_decryption_key("ECDH-ES+A256KW")
    record: dict[str, Any] = {"id": answers.id, "subject": "partner", "issuer": "", "expires_at": 4e9, "revoked": False}
    record |= {"public": {}, "sealed": "x"} if shared else {"public": answers.public.jwk(), "sealed": ""}
    secret = own.material.raw_value
    keys.apply([record], lambda _id, _sealed: secret if isinstance(secret, bytes) else b"")
    keys.take_own([] if shared else [OwnKey(key=own)])
    check = compile_opening(EncryptedBodyPolicy(max_bytes=1_048_576), keys, "https://local.example")
    return check, BodyEncrypter(gateway=own.public, own=answers, clock=lambda: NOW)


def exchange_of(encrypter: BodyEncrypter, content: bytes) -> Exchange:
    """The exchange of an encrypted request as the gateway reads it."""
    sealed = encrypter.seal(content, "application/json")
    fields = [("host", "api.example"), ("accept", "*/*"), ("user-agent", "bench"), *sealed.headers.items()]
    headers = Headers([(name.lower().encode(), value.encode()) for name, value in fields])
    request = Request("POST", b"/x", b"/x", b"", headers, has_body=True, body=sealed.body)
    source, caller = Source(address="192.0.2.1"), Caller(subject="partner", kind="api_key", issuer="x")
    return Exchange(id="0" * 32, now=NOW, ticks=1.0, source=source, request=request, caller=caller)


def each_us(work: Sequence[Callable[[], object]]) -> float:
    """CPU microseconds of one of them."""
    gc.collect()
    began = time.process_time()
    for one in work:
        one()
    return (time.process_time() - began) / len(work) * 1e6


def answer(exchange: Exchange, content: bytes) -> None:
    """Encrypt an answer of that size."""
    if exchange.seal_answer is None:
        raise SystemExit("the request was not opened")
    exchange.seal_answer(exchange, Response(200, [(b"content-type", b"application/json")], content))


def refused(check: Check, exchange: Exchange) -> None:
    """Open what cannot be opened."""
    try:
        check(exchange)
    except Denied:
        return
    raise SystemExit("a message to nobody was opened")


def measure(say: Say) -> list[Row]:
    """Rows of how, content bytes, microseconds to open a request and to encrypt an answer."""
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    rows: list[Row] = []
    for algorithm in _ALGORITHMS:
        check, encrypter = opening_of(generate_decryption_key(algorithm))
        for size in SIZES:
            say(f"{algorithm} {size}")
            content, count = b"x" * size, max(4, min(200, _WORK_BYTES // size))
            opened = answered = float("inf")
            for _ in range(ROUNDS):
                exchanges = [exchange_of(encrypter, content) for _ in range(count)]
                opened = min(opened, each_us([partial(check, each) for each in exchanges]))
                answered = min(answered, each_us([partial(answer, each, content) for each in exchanges]))
            rows.append((algorithm, size, opened, answered))
    say("to a key that is not there")
    check, known = opening_of(generate_decryption_key("ECDH-ES+A256KW"))
    stranger = BodyEncrypter(gateway=generate_decryption_key("ECDH-ES+A256KW").public, own=known.own, clock=lambda: NOW)
    best = float("inf")
    for _ in range(ROUNDS):
        exchanges = [exchange_of(stranger, b"x" * SIZES[0]) for _ in range(200)]
        best = min(best, each_us([partial(refused, check, each) for each in exchanges]))
    rows.append(("ECDH-ES+A256KW, to a key that is not there: refused", SIZES[0], best, 0.0))
    return rows


def _rows(say: Say) -> list[tuple[str, ...]]:
    return [
        (how, f"{size:,}", f"{opened:,.0f}", f"{answered:,.0f}" if answered else "")
        for how, size, opened, answered in measure(say)
    ]


def main() -> int:
    """The program."""
    return tell("encrypted", __doc__, ("key", "content bytes", "us to open", "us to encrypt an answer"), 1, _rows)


if __name__ == "__main__":
    sys.exit(main())
