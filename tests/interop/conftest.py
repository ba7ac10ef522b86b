from collections.abc import Iterator

import pytest
from tests.interop.person import Person
from tests.interop.world import World, running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("interop")) as made:
        yield made


@pytest.fixture
def person(world: World) -> Iterator[Person]:
    with world.person() as made:
        yield made
