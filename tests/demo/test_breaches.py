"""Every breach must be real: proved by evidence on the bare bank, with a twin that works and proves nothing."""

import pytest

from doorward.demo.breaches import BREACHES, Breach, injection
from doorward.demo.client import Client

BY_ID = {breach.id: breach for breach in BREACHES}


def test_breach_ids_are_unique() -> None:
    assert len(BY_ID) == len(BREACHES)


def test_every_entry_of_the_top_ten_that_a_gateway_can_stop_is_shown() -> None:
    shown = {breach.threat.partition(":")[0] for breach in BREACHES}
    assert shown == {f"API{number}" for number in range(1, 10)}


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.id)
def test_the_bare_bank_is_breached(breach: Breach, bare: Client) -> None:
    assert breach.evidence(breach.attack(bare))


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.id)
def test_the_twin_works_on_the_bare_bank(breach: Breach, bare: Client) -> None:
    assert breach.twin_works(breach.twin(bare))


@pytest.mark.parametrize("breach", injection.BREACHES, ids=lambda breach: breach.id)
def test_harmless_text_proves_nothing(breach: Breach, bare: Client) -> None:
    assert not breach.evidence(breach.twin(bare)[:1])
