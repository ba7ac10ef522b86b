"""A bare bank for the tests of the demonstration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doorward.attack.wire import Target
from doorward.demo.bank import data
from doorward.demo.bank.server import bank_in_thread
from doorward.demo.client import Client, unsigned

SUBJECTS = {"alice": "alice", "bob": "bob", "carol": "carol", "root": "root", "expired": "alice", "revoked": "alice"}


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    directory: Path = tmp_path_factory.mktemp("bank")
    data.create(directory)
    with bank_in_thread(directory) as port:
        tokens = {name: unsigned({"sub": subject}) for name, subject in SUBJECTS.items()}
        yield Client(target=Target(host="127.0.0.1", port=port), tokens=tokens, bank_port=port)
