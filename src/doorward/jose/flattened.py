"""Signed messages in the flattened JSON form (RFC 7515 section 7.2.2), made only: ACME wants it."""

import json
from collections.abc import Mapping
from typing import Any

from doorward.jose.keys import PrivateKey
from doorward.jose.parsing import encode_segment


def sign_flattened(key: PrivateKey, protected: Mapping[str, Any], payload: bytes) -> bytes:
    """The message as JSON. `alg` is the key's own; whatever else the protected header says is the caller's."""
    header = encode_segment(json.dumps({**protected, "alg": key.algorithm}).encode("utf-8"))
    body = encode_segment(payload)
    signature = encode_segment(key.sign(header + b"." + body))
    parts = {"protected": header, "payload": body, "signature": signature}
    return json.dumps({name: part.decode("ascii") for name, part in parts.items()}).encode("ascii")
