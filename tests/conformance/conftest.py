import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.ground import Ground
from tests.identity.conftest import cheap_hashes

from doorward.store import open_store

__all__ = ["cheap_hashes"]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "store.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def ground(migrated: Path, tmp_path: Path) -> Iterator[Ground]:
    shutil.copy(migrated, tmp_path / "store.db")
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield Ground(store)
    store.close()
