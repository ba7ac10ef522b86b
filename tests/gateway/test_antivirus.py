"""Files wait for the scanner between the body and the upstream, and nothing unscanned goes on unless it is written so."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.gateway.fake_clamd import FOUND, OK, FakeClamd
from tests.gateway.h2_client import H2Client, fields
from tests.gateway.lab import PATIENCE_S, Answer, Lab, StubPipeline, request
from tests.gateway.test_tls import write

from doorward.controls.forward import ForwardPolicy
from doorward.controls.limits import LimitsPolicy
from doorward.controls.validate import AntivirusPolicy, ValidatePolicy, compile_scan
from doorward.controls.validate.upload_attacks import EICAR
from doorward.exchange import Exchange
from doorward.gateway.tls import server_context
from doorward.operation import MediaType, Operation, RequestBody
from doorward.pipeline import ScanPlan

CONTENT = {"application/octet-stream": MediaType(name="application/octet-stream", schema=None)}
RESET = b"\1\0\0\0\0\0\0\0"
"""For SO_LINGER: the connection ends at once; a mere close may be a client that still reads."""
OPERATION = Operation(
    id="x", method="POST", path="/items", template="/items", request_body=RequestBody(required=True, content=CONTENT)
)


def scan_plan(address: str, **settings: Any) -> ScanPlan:
    policy = ValidatePolicy(antivirus=AntivirusPolicy(address=address, **settings))
    compiled = compile_scan(OPERATION, policy)
    assert compiled is not None
    return ScanPlan(policy=compiled[0], settle=compiled[1])


class ScanningPipeline(StubPipeline):
    """Each line of a body of `POST /items` is a file."""

    def __init__(self, policy: ForwardPolicy) -> None:
        super().__init__(policy)
        self.set_body_bytes("POST", b"/items", 16 << 20)

    def admit_body(self, exchange: Exchange, plan: Any) -> None:
        super().admit_body(exchange, plan)
        exchange.uploads = tuple(("file", line) for line in exchange.request.body.split(b"\n"))

    def scan_by(self, address: str, **settings: Any) -> None:
        key = ("POST", b"/items")
        self.plans[key] = replace(self.plans[key], scan=scan_plan(address, **settings))


class ScanningLab(Lab):
    pipeline_type = ScanningPipeline
    pipeline: ScanningPipeline


@pytest.fixture
def clamd() -> Iterator[FakeClamd]:
    with FakeClamd() as clamd:
        yield clamd


@pytest.fixture
def lab(clamd: FakeClamd) -> Iterator[ScanningLab]:
    with ScanningLab() as lab:
        lab.pipeline.scan_by(clamd.address)
        yield lab


def post(lab: Lab, body: bytes) -> Answer:
    answer = lab.ask(request("POST", "/items", body=body))
    assert answer is not None
    return answer


def held_bytes(lab: Lab) -> int:
    return lab.gateway.load.buffered_bytes


def assert_nothing_forwarded(lab: Lab) -> None:
    assert lab.upstream.seen == []
    assert lab.audit.intents() == []
    lab.wait_until(lambda: held_bytes(lab) == 0)


def test_a_clean_file_is_scanned_and_forwarded_as_the_same_bytes(lab: ScanningLab, clamd: FakeClamd) -> None:
    body = bytes(range(256)).replace(b"\n", b"") * 2000
    assert post(lab, body).status == 200
    assert clamd.received == [body]
    assert lab.upstream.seen[0].body == body
    lab.wait_until(lambda: held_bytes(lab) == 0)


def test_malware_is_refused_before_an_intent_and_the_record_names_it(lab: ScanningLab, clamd: FakeClamd) -> None:
    answer = post(lab, b"clean\n" + EICAR)
    assert (answer.status, answer.code) == (403, "validate.malware")
    assert b"Eicar" not in answer.body
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert (outcome.code, outcome.detail) == ("validate.malware", "file: Eicar-Signature")
    assert clamd.received == [b"clean", EICAR]
    assert_nothing_forwarded(lab)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"stream: O", b"stream: OK", b"stream: OK \0", b"OK\0", b"stream: Eicar-Signature FOUND", b"stream:  FOUND\0",
        b"stream: lstat() failed. ERROR\0", b"UNKNOWN COMMAND\0", b"stream: " + b"x" * 5000 + b" FOUND\0", b"\xff\0", b"\0",
    ],
)  # fmt: skip
def test_what_is_not_plainly_ok_is_no_ok(lab: ScanningLab, clamd: FakeClamd, said: bytes) -> None:
    clamd.answer = lambda _: said
    answer = post(lab, b"file")
    assert (answer.status, answer.code) == (503, "validate.unscanned")
    assert answer.headers[b"retry-after"] == b"5"
    assert_nothing_forwarded(lab)


def test_an_answer_in_pieces_is_an_answer(lab: ScanningLab, clamd: FakeClamd) -> None:
    """What lies behind its end is not read: a scanner answers once."""
    clamd.answer = lambda _: OK + b"more"
    assert post(lab, b"file").status == 200


def test_a_scanner_that_is_away_refuses(lab: ScanningLab, clamd: FakeClamd) -> None:
    lab.pipeline.scan_by(clamd.address + ".not")
    answer = post(lab, b"file")
    assert (answer.status, answer.code) == (503, "validate.unscanned")
    assert lab.audit.wait_for_outcomes(1)[0].detail == "the scanner could not be asked: FileNotFoundError"
    assert_nothing_forwarded(lab)


def test_a_scanner_over_tcp_that_is_away_refuses(lab: ScanningLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lab.pipeline.scan_by(f"127.0.0.1:{port}")
    assert post(lab, b"file").code == "validate.unscanned"


def test_a_scanner_over_tcp_is_asked() -> None:
    """One that reads nothing but the command, and finds something."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ScanningLab() as lab:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while not connection.recv(65536).endswith(bytes(4)):
                    pass
                connection.sendall(FOUND)

        thread = threading.Thread(target=serve)
        thread.start()
        lab.pipeline.scan_by(f"127.0.0.1:{listener.getsockname()[1]}")
        assert post(lab, b"file").code == "validate.malware"
        thread.join(PATIENCE_S)


def test_a_scanner_that_takes_too_long_refuses_and_is_left(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.release.clear()
    lab.pipeline.scan_by(clamd.address, timeout_s=0.2)
    answer = post(lab, b"file")
    assert (answer.status, answer.code) == (503, "validate.unscanned")
    assert clamd.gone.get(timeout=PATIENCE_S) == b"file"
    assert_nothing_forwarded(lab)


def test_a_file_larger_than_the_scanner_takes_is_unscanned(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.most_bytes = 100_000
    answer = post(lab, b"x" * 4_000_000)
    assert (answer.status, answer.code) == (503, "validate.unscanned")
    assert_nothing_forwarded(lab)


def test_the_policy_may_let_unscanned_files_pass_but_never_malware(lab: ScanningLab, clamd: FakeClamd) -> None:
    lab.pipeline.scan_by(clamd.address, insecure_pass_unscanned=True)
    clamd.answer = lambda data: FOUND if EICAR in data else b""
    assert post(lab, b"file").status == 200
    assert lab.audit.wait_for_outcomes(1)[0].findings == ("validate.unscanned",)
    assert post(lab, EICAR).code == "validate.malware"
    assert [seen.body for seen in lab.upstream.seen] == [b"file"]


def test_operations_without_files_ask_nobody(lab: ScanningLab, clamd: FakeClamd) -> None:
    answer = lab.ask(request("GET", "/items"))
    assert answer is not None
    assert answer.status == 200
    assert clamd.received == []


def test_several_at_once_wait_for_their_turn(lab: ScanningLab, clamd: FakeClamd) -> None:
    lab.pipeline.scan_by(clamd.address, connections=3)
    clamd.release.clear()
    clients = [lab.connect() for _ in range(12)]
    for number, client in enumerate(clients):
        client.send(request("POST", "/items", body=b"clean %d" % number if number % 2 else b"%d " % number + EICAR))
    for _ in range(3):
        clamd.arrived.get(timeout=PATIENCE_S)
    clamd.release.set()
    for number, client in enumerate(clients):
        with client:
            answer = client.answer()
            assert answer is not None
            assert answer.status == (200 if number % 2 else 403)
    assert clamd.at_a_time == 3
    assert len(clamd.received) == 12
    assert len(lab.upstream.seen) == 6


def test_a_client_that_goes_away_ends_its_scan(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.release.clear()
    with lab.connect() as client:
        client.send(request("POST", "/items", body=b"file"))
        assert clamd.arrived.get(timeout=PATIENCE_S) == b"file"
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert clamd.gone.get(timeout=PATIENCE_S) == b"file"
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert "transport.client_gone" in outcome.findings
    assert_nothing_forwarded(lab)


def test_a_client_that_waits_for_its_turn_may_go_away_too(lab: ScanningLab, clamd: FakeClamd) -> None:
    lab.pipeline.scan_by(clamd.address, connections=1)
    clamd.release.clear()
    with lab.connect() as first:
        first.send(request("POST", "/items", body=b"first"))
        assert clamd.arrived.get(timeout=PATIENCE_S) == b"first"
        with lab.connect() as second:
            second.send(request("POST", "/items", body=b"second"))
            lab.wait_until(lambda: held_bytes(lab) == 2 * len(b"first" + b"second"))
            second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        lab.audit.wait_for_outcomes(1)
        clamd.release.set()
        answer = first.answer()
    assert answer is not None
    assert answer.status == 200
    assert clamd.received == [b"first"]
    assert post(lab, b"third").status == 200


def test_pipelined_requests_are_answered_in_order(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.release.clear()
    with lab.connect() as client:
        client.send(request("POST", "/items", body=EICAR) + request("POST", "/items", body=b"clean") + request())
        clamd.arrived.get(timeout=PATIENCE_S)
        clamd.release.set()
        answers = [client.answer() for _ in range(3)]
    assert [answer.status for answer in answers if answer] == [403, 200, 200]


def test_a_scan_under_way_is_finished_before_the_gateway_stops(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.release.clear()
    with lab.connect() as client:
        client.send(request("POST", "/items", body=b"file"))
        clamd.arrived.get(timeout=PATIENCE_S)
        draining = threading.Thread(target=lab.drain)
        draining.start()
        lab.wait_until(lambda: lab.gateway.is_draining)
        clamd.release.set()
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.headers.get(b"connection")) == (200, b"close")
    draining.join(PATIENCE_S)


def test_a_scan_that_outlasts_the_stop_is_given_up_and_recorded(lab: ScanningLab, clamd: FakeClamd) -> None:
    clamd.release.clear()
    with lab.connect() as client:
        client.send(request("POST", "/items", body=b"file"))
        clamd.arrived.get(timeout=PATIENCE_S)
        lab.drain(0.05)
        assert client.answer() is None
    assert clamd.gone.get(timeout=PATIENCE_S) == b"file"
    lab.audit.wait_for_outcomes(1)
    assert_nothing_forwarded(lab)


def test_files_under_scan_count_as_buffered(clamd: FakeClamd) -> None:
    """They are held twice, as body and as files: where there is no room for that, the answer is 503, and no crash."""
    with ScanningLab(limits=LimitsPolicy(buffered_bytes=64 * 1024)) as lab:
        lab.pipeline.scan_by(clamd.address)
        assert post(lab, b"x" * 40_000).code == "limits.overload"
        assert clamd.received == []
        assert post(lab, b"x" * 20_000).status == 200
        lab.wait_until(lambda: held_bytes(lab) == 0)


def test_what_breaks_on_our_side_is_a_fault_and_never_a_pass(lab: ScanningLab) -> None:
    async def scan(*_: object) -> None:
        raise RuntimeError("broken")

    lab.gateway.scanner.scan = scan  # type: ignore[method-assign, assignment]
    assert post(lab, b"file").status == 500
    assert "broken" in lab.audit.wait_for_outcomes(1)[0].detail
    assert_nothing_forwarded(lab)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def h2_lab(authority: trustme.CA, clamd: FakeClamd, tmp_path: Path) -> Iterator[ScanningLab]:
    files = write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path)
    with ScanningLab(context=server_context(*files), scheme="https") as lab:
        lab.pipeline.scan_by(clamd.address)
        yield lab


def test_over_http2_one_stream_waits_and_the_others_go_on(
    h2_lab: ScanningLab, clamd: FakeClamd, authority: trustme.CA
) -> None:
    clamd.release.clear()
    with H2Client(h2_lab.port, authority) as client:
        clean = client.ask(fields("POST", "/items"), b"clean" * 30_000)
        dirty = client.ask(fields("POST", "/items"), EICAR)
        for _ in range(2):
            clamd.arrived.get(timeout=PATIENCE_S)
        assert client.answer(client.ask(fields())).status == 200
        clamd.release.set()
        assert client.answer(clean).status == 200
        assert client.answer(dirty).code == "validate.malware"
    bodies = [seen.body for seen in h2_lab.upstream.seen if seen.body]
    assert bodies == [b"clean" * 30_000]


def test_over_http2_a_reset_stream_ends_its_scan(h2_lab: ScanningLab, clamd: FakeClamd, authority: trustme.CA) -> None:
    clamd.release.clear()
    with H2Client(h2_lab.port, authority) as client:
        stream = client.ask(fields("POST", "/items"), b"file")
        assert clamd.arrived.get(timeout=PATIENCE_S) == b"file"
        client.raw(3, 0, stream, (8).to_bytes(4, "big"))
        assert clamd.gone.get(timeout=PATIENCE_S) == b"file"
        h2_lab.audit.wait_for_outcomes(1)
        assert_nothing_forwarded(h2_lab)
        assert client.answer(client.ask(fields())).status == 200


CLAMD = os.environ.get("CLAMD") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@pytest.mark.skipif(CLAMD is None, reason="no clamd: install it (Debian: clamav-daemon) or name it in CLAMD")
def test_a_real_clamd_finds_what_its_database_names(tmp_path: Path, clamd: FakeClamd) -> None:
    """With a database of the test's own: nothing is fetched."""
    place = Path(clamd.address).with_name("real.ctl")
    database = tmp_path / "database"
    database.mkdir()
    (database / "test.ndb").write_text(f"Doorward.Test:0:*:{EICAR.hex()}\n")
    (tmp_path / "clamd.conf").write_text(
        f"LocalSocket {place}\nDatabaseDirectory {database}\nForeground yes\nStreamMaxLength 1M\n"
        f"TemporaryDirectory {tmp_path}\n"
    )
    process = subprocess.Popen(
        [str(CLAMD), "-c", str(tmp_path / "clamd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while not place.exists():
            assert process.poll() is None, "clamd did not start"
            assert time.monotonic() < end, "clamd opens no socket"
        with ScanningLab() as lab:
            lab.pipeline.scan_by(str(place))
            assert post(lab, b"clean").status == 200
            assert post(lab, EICAR).code == "validate.malware"
            assert "Doorward.Test" in lab.audit.wait_for_outcomes(2)[1].detail
            assert post(lab, b"x" * (2 << 20)).code == "validate.unscanned"
            assert post(lab, b"clean").status == 200
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
