import pytest

from doorward.controls.limits import LimitsPolicy, body_bytes, check_head_size
from doorward.denial import Denied
from doorward.operation import Operation, RequestBody

POLICY = LimitsPolicy()


def test_a_head_at_its_limits_passes() -> None:
    check_head_size(POLICY, 16 * 1024, target_bytes=8 * 1024, header_count=100)


@pytest.mark.parametrize(
    ("head_bytes", "target_bytes", "header_count", "code"),
    [
        (16 * 1024 + 1, 0, 0, "limits.header_size"),
        (100, 0, 101, "limits.header_size"),
        (100, 8 * 1024 + 1, 0, "limits.target_size"),
        (16 * 1024 + 1, 8 * 1024 + 1, 101, "limits.target_size"),
    ],
)
def test_one_beyond_a_limit_is_refused(head_bytes: int, target_bytes: int, header_count: int, code: str) -> None:
    with pytest.raises(Denied) as refusal:
        check_head_size(POLICY, head_bytes, target_bytes=target_bytes, header_count=header_count)
    assert refusal.value.code == code


def test_an_operation_takes_as_large_a_body_as_the_policy_says() -> None:
    body = RequestBody(required=True, content={})
    operation = Operation(id="a", method="POST", path="/a", template="/a", request_body=body)
    assert body_bytes(operation, LimitsPolicy(body_bytes=5)) == 5


def test_an_operation_without_a_body_takes_none() -> None:
    assert body_bytes(Operation(id="a", method="POST", path="/a", template="/a"), POLICY) == 0
