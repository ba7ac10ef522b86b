from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from doorward.controls.audit import AuditPolicy


def test_everything_is_recorded_without_a_word_in_the_policy() -> None:
    assert AuditPolicy().user_agent
    assert AuditPolicy().directory == "audit"


@pytest.mark.parametrize(
    "written",
    [
        {"gather_ms": 2.0},
        {"gather_ms": -1.0},
        {"group_count": 0},
        {"group_count": 257},
        {"segment_bytes": 4096},
        {"directory": ""},
        {"user_agent": "yes"},
        {"enabled": False},
    ],
)
def test_a_value_out_of_bounds_or_an_unknown_key_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuditPolicy(**written)
