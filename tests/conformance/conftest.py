from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.ground import Ground
from tests.databases import new_sqlite
from tests.identity.conftest import cheap_hashes

from doorward.store import open_store

__all__ = ["cheap_hashes"]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    store = open_store(new_sqlite(tmp_path))
    yield Ground(store)
    store.close()
