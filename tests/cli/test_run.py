import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from doorward.cli.init import init
from doorward.cli.run import LOCK_NAME, require_state
from doorward.errors import PolicyError

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": {}}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    with contextlib.redirect_stdout(None):
        init(openapi=tmp_path / "openapi.json", upstream="http://127.0.0.1:9", directory=tmp_path)
    file = tmp_path / "doorward.yaml"
    text = file.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    file.write_text(f"{text}issuer: {{listen: 127.0.0.1:0}}\n")
    return file


def run(policy: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "doorward", "run", "--policy", str(policy)]
    done = subprocess.run(command, capture_output=True, timeout=50, check=False)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode().splitlines()


def test_a_missing_policy_ends_it_with_a_place_and_a_hint(tmp_path: Path) -> None:
    status, (error, hint) = run(tmp_path / "doorward.yaml")
    assert status == 2
    assert error == f"error: cannot be read: no such file or directory ({tmp_path}/doorward.yaml)"
    assert hint.startswith("hint:  `doorward init`")


def test_a_mistake_in_the_policy_ends_it_with_file_line_and_key(policy: Path) -> None:
    policy.write_text(policy.read_text() + "worker: 2\n")
    status, lines = run(policy)
    assert status == 2
    assert lines[0].startswith("error: worker: ")
    assert lines[0].endswith(f"({policy}:{len(policy.read_text().splitlines())})")
    assert "workers" in lines[1]


def test_a_state_directory_others_can_read_is_refused(policy: Path) -> None:
    state = policy.parent / ".doorward"
    state.chmod(0o755)
    assert run(policy) == (
        2,
        [f"error: state: {state} can be read by others", f"hint:  chmod 700 {state}"],
    )


def test_a_state_directory_without_keys_is_refused(policy: Path) -> None:
    policy.write_text(policy.read_text() + "state: elsewhere\n")
    status, lines = run(policy)
    assert status == 2
    assert lines == [
        f"error: state: {policy.parent / 'elsewhere'} holds no keys",
        "hint:  run `doorward init` to make them",
    ]


def test_an_address_in_use_is_refused_by_name(policy: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        policy.write_text(policy.read_text().replace("listen: 127.0.0.1:0\n", f"listen: 127.0.0.1:{port}\n", 1))
        status, lines = run(policy)
    assert status == 2
    assert lines[0].lower() == f"error: listen: cannot listen on 127.0.0.1:{port}: address already in use"


def test_a_second_gateway_on_one_state_directory_is_refused(policy: Path) -> None:
    holder = f"import fcntl, sys; f = open({str(policy.parent / '.doorward' / LOCK_NAME)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        status, lines = run(policy)
        other.communicate()
    assert status == 2
    assert lines[0].startswith("error: state: another doorward runs with ")


@pytest.mark.parametrize("name", ["issuer.json", "upstream.json", "record.key", "snapshot.key"])
@pytest.mark.parametrize("content", [None, b"", b"x"])
def test_a_key_that_cannot_be_used_is_refused_by_name(policy: Path, name: str, content: bytes | None) -> None:
    key = policy.parent / ".doorward" / "keys" / name
    key.unlink() if content is None else key.write_bytes(content)
    with pytest.raises(PolicyError, match=name):
        require_state(policy.parent / ".doorward")


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_key_of_signed_answers_is_tried_too_once_it_is_there(policy: Path, mode: int) -> None:
    state = policy.parent / ".doorward"
    key = state / "keys" / "answers.pem"
    key.unlink(missing_ok=True)
    require_state(state)
    key.write_bytes(b"not a key")
    key.chmod(mode)
    with pytest.raises(PolicyError, match=r"answers\.pem") as refusal:
        require_state(state)
    assert refusal.value.hint


def test_a_private_key_others_can_read_is_refused(policy: Path) -> None:
    key = policy.parent / ".doorward" / "keys" / "upstream.json"
    key.chmod(0o644)
    with pytest.raises(PolicyError, match="can be read by others"):
        require_state(policy.parent / ".doorward")


def test_the_keys_that_init_makes_can_be_used(policy: Path) -> None:
    require_state(policy.parent / ".doorward")
