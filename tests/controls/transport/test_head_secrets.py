"""A refused head tells where it is wrong, and gives no credential away."""

import pytest

from doorward.controls.transport import check_head
from doorward.denial import Denied


@pytest.mark.parametrize(
    "head",
    [
        b"GET /q?api_key=dw_live_SECRET HTTP/1.1 \r\nhost: a\r\n\r\n",
        b"GET /q HTTP/1.1\r\nhost: a\r\nAuthorization Bearer SECRET\r\n\r\n",
    ],
)
def test_the_reason_holds_no_part_of_a_credential(head: bytes) -> None:
    with pytest.raises(Denied) as refused:
        check_head(head)
    assert "SECRET" not in refused.value.detail
