"""Targets: files that are read: policy, API description, snapshot."""

import hashlib
import hmac
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from tests.fuzz.target import Target, directory
from tests.fuzz.values import JSON_WORDS

from doorward.errors import PolicyError
from doorward.policy.loading import load_policy
from doorward.policy.openapi import description_from_document
from doorward.policy.snapshot import FORMAT, Snapshot, SnapshotRefused
from doorward.policy.yaml_text import read_json, read_yaml


def yaml_text(data: bytes) -> None:
    """YAML that is taken is plain data, the same that its own JSON spelling gives; nothing in it is run."""
    try:
        text = data.decode("utf-8")
        found = read_yaml(text, "f.yaml", aliases=len(data) % 2 == 0, values=500)
    except (UnicodeDecodeError, PolicyError):
        return
    assert _count(found.data) <= 500
    breaks = len(re.findall("\r\n|[\n\r\x85\u2028\u2029]", text))
    assert all(1 <= line <= breaks + 1 for line in found.lines.values())
    again = yaml.safe_dump(found.data, allow_unicode=False, sort_keys=False, width=10_000)
    assert read_yaml(again, "f.yaml", aliases=True, values=100_000).data == found.data


def _count(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(_count(child) for child in children)


def policy(data: bytes) -> None:
    """A policy is taken, or refused with a mistake of the operator that says where it stands."""
    file = directory() / "doorward.yaml"
    file.write_bytes(data)
    try:
        load_policy(file, {"NAME": "value"})
    except PolicyError:
        return


def openapi(data: bytes) -> None:
    """A description is taken, or refused with the place; what was taken is taken again and says the same."""
    try:
        document = read_json(data, "f.json") if data[:1] == b"{" else read_yaml(data.decode("utf-8"), "f.yaml").data
        if not isinstance(document, dict):
            return
        found = description_from_document(document)
    except (UnicodeDecodeError, PolicyError):
        return
    again = description_from_document(found.document)
    assert again.operations == found.operations


def snapshot(data: bytes) -> None:
    """A snapshot is read whole, or refused, whether it was changed or written wrong by its own writer."""
    file = _snapshot_file()
    file.write_bytes(data)
    _read_snapshot(file, None)
    mac = hmac.new(bytes(32), b"doorward snapshot 1\n" + data, hashlib.sha256).hexdigest()
    try:
        file.write_bytes(msgspec.json.encode({"format": FORMAT, "mac": mac, "snapshot": msgspec.Raw(data)}))
    except msgspec.MsgspecError:
        return
    _read_snapshot(file, data)


def _read_snapshot(file: Path, signed: bytes | None) -> None:
    try:
        found = Snapshot.read(file)
    except SnapshotRefused:
        return
    assert signed is not None, "a snapshot without the right code was taken"
    assert msgspec.json.decode(msgspec.json.encode(found), type=Snapshot) == found
    assert found.version == found.version


@cache
def _snapshot_file() -> Path:
    keys = directory() / "state" / "keys"
    keys.mkdir(parents=True)
    (keys / "snapshot.key").write_bytes(bytes(32))
    return keys.parent / "snapshot.json"


_YAML_WORDS: Final = (
    *(b"a: b\n", b"- a\n", b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"!!str ", b"|\n", b">\n", b"---\n"),
    *(
        b"...\n",
        b"%YAML 1.1\n",
        b"? ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"'",
        b'"',
        b"#",
        b"\t",
        b"  ",
        b"\n",
        b"~",
        b"yes",
    ),
    *(
        b"0x1F",
        b"1_000",
        b".inf",
        b"12:30",
        b"2001-01-01",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\\x41",
        b"@",
        b"`",
        b"=",
        b"!<a>",
    ),
)
_POLICY_WORDS: Final = (
    *(
        b"api: openapi.yaml\n",
        b"upstream: http://127.0.0.1:8000\n",
        b"issuers: [local]\n",
        b"roles:\n",
        b"  a: [GET *]\n",
    ),
    *(
        b"owners:\n",
        b"  /a/{id}: caller.id\n",
        b"limits:\n",
        b"  per_caller: 1/minute\n",
        b"transport:\n",
        b"validate:\n",
    ),
    *(
        b"inspect:\n",
        b"audit:\n",
        b"operations:\n",
        b"  GET /a:\n",
        b"    public: true\n",
        b"${NAME}",
        b"file:a",
        b"tls:\n",
    ),
    *(
        b"  hosts: [a]\n",
        b"public: [GET /a]\n",
        b"mode: off\n",
        b"listen: 127.0.0.1:1\n",
        b"null",
        b"-1",
        b"1e9",
        b"{}",
    ),
)
_OPENAPI_WORDS: Final = (
    *(
        b'{"openapi":"3.1.0"',
        b'{"openapi":"3.0.3"',
        b',"info":{"title":"t","version":"1"}',
        b',"paths":{',
        b'"/a":{',
        b"}",
    ),
    *(
        b'"get":{',
        b'"parameters":[',
        b'{"name":"x","in":"query"',
        b',"schema":{',
        b'"$ref":"#/components/schemas/A"',
        b"]",
    ),
    *(
        b'"type":"string"',
        b'"responses":{"200":{}}',
        b'"requestBody":{"content":{',
        b'"application/json":{"schema":{}}',
    ),
    *(
        b',"components":{"schemas":{"A":{',
        b'"nullable":true',
        b'"allOf":[',
        b'"security":[{"k":[]}]',
        b'"pattern":"^a$"',
        b",",
    ),
    *(
        b'"servers":[{"url":"/v1"}]',
        b'"x-doorward":{}',
        b'"$ref":"#/paths/~1a"',
        b'"style":"deepObject"',
        b'"explode":true',
    ),
)
_SNAPSHOT_WORDS: Final = (
    *(
        b'"number":1',
        b'"policy_file":"/a"',
        b'"policy":{}',
        b'"description":{}',
        b'"credentials":{}',
        b'"mac":""',
        b'"format":1',
    ),
    *(
        b'"snapshot":{}',
        b'{"number":1,"policy_file":"/a","policy":{},"description":{},"credentials":{}}',
        b'"issuer_keys_at":{}',
    ),
)
TARGETS: Final[dict[str, Target]] = {
    "yaml_text": Target(yaml_text, _YAML_WORDS),
    "policy": Target(policy, _POLICY_WORDS + _YAML_WORDS),
    "openapi": Target(openapi, _OPENAPI_WORDS + JSON_WORDS),
    "snapshot": Target(snapshot, _SNAPSHOT_WORDS + JSON_WORDS),
}
