"""Attacks on limits: too fast, too much, too large, too slow."""

from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Samples

_CONSUMPTION: Final = "API4:2023 Unrestricted resource consumption"
_SLOW_S: Final = 11.0
"""Just beyond the default `head_s`; the laboratory's policy is faster, see `_pause_s`."""
_LAB_SLOW_S: Final = 1.6


def _pause_s(samples: Samples) -> float:
    return _SLOW_S if samples.lab("ok") is None else _LAB_SLOW_S


def _flood(samples: Samples) -> Ask | None:
    # By a caller without any role: no other attack's or user's budget is used up. It ends with the first refusal; many,
    # since what a rate gives back meanwhile must not be more than what a busy machine can send.
    sample = samples.read()
    return sample and replace(sample, who="nobody", times=3_000)


def _busy(samples: Samples) -> Ask | None:
    sample = samples.read()
    return sample and replace(sample, times=20)


def _beyond_quota(samples: Samples) -> Ask | None:
    within = samples.lab("quota")
    return within and replace(within, times=within.times + 1)


def _slow_head(samples: Samples, pause_s: float) -> Ask | None:
    sample = samples.read()
    head = b"GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Accept: */*\r\n\r\n"
    return sample and replace(sample, raw=head, pause_s=pause_s)


def _slow_body(samples: Samples, pause_s: float) -> Ask | None:
    sample = samples.write()
    if sample is None:
        return None
    fields = "".join(f"{name}: {value}\r\n" for name, value in sample.headers if name.lower() != "content-length")
    # The runner pauses in the middle of `raw`: blanks around the JSON text put the middle into the body.
    body = b" " * 2048 + sample.body
    head = b"%s {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}" % sample.method.encode()
    if not any(name.lower() == "content-type" for name, _ in sample.headers):
        fields += "Content-Type: application/json\r\n"
    raw = head + fields.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return replace(sample, raw=raw, pause_s=pause_s)


def _padded_body(samples: Samples, size: int) -> Ask | None:
    sample = samples.write()
    return sample and replace(sample, body=sample.body + b" " * max(0, size - len(sample.body)))


def _padded_target(samples: Samples, size: int) -> Ask | None:
    sample = samples.read()
    if sample is None:
        return None
    raw = b"GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}"
    if size:
        return replace(sample, target=f"{sample.target}{'&' if '?' in sample.target else '?'}q={'a' * size}")
    return replace(sample, raw=raw + b"\r\n")


def _with_fields(samples: Samples, count: int, size: int = 4) -> Ask | None:
    sample = samples.read()
    padding = tuple((f"x-padding-{number}", "a" * size) for number in range(count))
    return sample and replace(sample, headers=(*sample.headers, *padding))


def _read(samples: Samples) -> Ask | None:
    return samples.read()


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="limits.caller_flood",
        name="one caller sends far more requests than its rate",
        earns="limits.rate",
        threat=_CONSUMPTION,
        source="OWASP API4:2023; RFC 6585 section 4",
        send=_flood,
        twin=_busy,
    ),
    Attack(
        id="limits.too_many_at_a_time",
        name="one caller opens more slow requests at a time than a rule lets it",
        earns="limits.concurrency",
        threat=_CONSUMPTION,
        source="OWASP API4:2023; CWE-770",
        send=lambda samples: samples.lab("crowded"),
        twin=lambda samples: samples.lab("alone"),
    ),
    Attack(
        id="limits.quota_spent",
        name="a caller goes on after its quota is used up",
        earns="limits.quota",
        threat=_CONSUMPTION,
        source="OWASP API4:2023",
        send=_beyond_quota,
        twin=_read,
    ),
    Attack(
        id="limits.slow_head",
        name="a request head that never ends (Slowloris)",
        earns="limits.slow_header",
        threat=_CONSUMPTION,
        source="hostile input D1; CVE-2007-6750",
        send=lambda samples: _slow_head(samples, _pause_s(samples)),
        twin=lambda samples: _slow_head(samples, 0.2),
    ),
    Attack(
        id="limits.slow_body",
        name="a body sent by drips (R.U.D.Y.)",
        earns="limits.slow_body",
        threat=_CONSUMPTION,
        source="hostile input D2",
        send=lambda samples: _slow_body(samples, 3 * _SLOW_S if _pause_s(samples) == _SLOW_S else _LAB_SLOW_S),
        twin=lambda samples: _slow_body(samples, 0.2),
    ),
    Attack(
        id="limits.large_body",
        name="a body above the limit",
        earns="limits.body_size",
        threat=_CONSUMPTION,
        source="RFC 9110 section 15.5.14",
        send=lambda samples: _padded_body(samples, 2 * 1024 * 1024),
        twin=lambda samples: _padded_body(samples, 1024),
    ),
    Attack(
        id="limits.long_target",
        name="a request target of 9 KB",
        earns="limits.target_size",
        threat=_CONSUMPTION,
        source="hostile input H9; RFC 9110 section 15.5.15",
        send=lambda samples: _padded_target(samples, 9_000),
        twin=lambda samples: _padded_target(samples, 0),
    ),
    Attack(
        id="limits.many_fields",
        name="more header fields than anyone needs",
        earns="limits.header_size",
        threat=_CONSUMPTION,
        source="hostile input H9; RFC 6585 section 5",
        send=lambda samples: _with_fields(samples, 101),
        twin=lambda samples: _with_fields(samples, 20),
    ),
    Attack(
        id="limits.large_head",
        name="16 KiB of header fields",
        earns="limits.header_size",
        threat=_CONSUMPTION,
        source="hostile input H9; RFC 6585 section 5",
        send=lambda samples: _with_fields(samples, 17, 1_000),
        twin=lambda samples: _with_fields(samples, 3, 1_000),
    ),
    Attack(
        id="limits.memory_of_many_bodies",
        name="more body bytes at a time than the worker may hold",
        earns="limits.overload",
        threat=_CONSUMPTION,
        source="hostile input D10",
        send=lambda samples: samples.lab("overload"),
        twin=lambda samples: _padded_body(samples, 1024),
    ),
)
