"""Attacks on the record itself. Log injection, which nothing refuses, is proved harmless in `tests/controls/audit`."""

from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Samples


def _while_the_disk_is_full(samples: Samples) -> Ask | None:
    return samples.lab("disk_full")


def _while_the_disk_works(samples: Samples) -> Ask | None:
    ask = samples.read()
    return None if ask is None else replace(ask, headers=(*ask.headers, ("User-Agent", "curl/8.5 (an honest name)")))


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="audit.act_unrecorded",
        name="act while nothing can be recorded",
        earns="audit.unavailable",
        threat="API8:2023 Security misconfiguration",
        source="CWE-778; Keycloak and Kong drop events when their buffer or disk is full",
        send=_while_the_disk_is_full,
        twin=_while_the_disk_works,
    ),
)
