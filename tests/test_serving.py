"""What is in force stays in force when what comes next cannot be used."""

import contextlib
import json
from pathlib import Path

import pytest

from doorward.cli.init import init
from doorward.errors import PolicyError
from doorward.policy.loading import load_policy
from doorward.policy.snapshot import Snapshot, policy_data
from doorward.serving import Serving

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": {}}


class Published:
    """A state directory with a snapshot in it."""

    def __init__(self, directory: Path) -> None:
        (directory / "openapi.json").write_text(json.dumps(DOCUMENT))
        with contextlib.redirect_stdout(None):
            init(openapi=directory / "openapi.json", upstream="http://127.0.0.1:9", directory=directory)
        self.policy = directory / "doorward.yaml"
        self.upstream_key = directory / ".doorward" / "keys" / "upstream.json"
        self.snapshot = directory / ".doorward" / "snapshot.json"
        self.publish(1)

    def publish(self, number: int) -> None:
        Snapshot(
            number=number,
            policy_file=str(self.policy),
            policy=policy_data(load_policy(self.policy)),
            description={**DOCUMENT, "x-number": number},
            credentials={"issuers": {}, "api_keys": [], "revoked": []},
        ).write(self.snapshot)


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def test_a_new_policy_comes_into_force(published: Published) -> None:
    serving = Serving(published.snapshot)
    before = serving.pipeline
    assert not serving.refresh()
    published.publish(2)
    assert serving.refresh()
    assert serving.pipeline is not before


def test_a_key_file_gone_bad_leaves_the_pipeline_in_force(published: Published) -> None:
    serving = Serving(published.snapshot)
    before = serving.pipeline
    published.upstream_key.write_text("{}")
    published.publish(2)
    assert not serving.refresh()
    assert serving.pipeline is before


def test_a_worker_does_not_start_with_a_bad_key_file_and_says_which(published: Published) -> None:
    published.upstream_key.write_text("{}")
    with pytest.raises(PolicyError, match=r"upstream\.json"):
        Serving(published.snapshot)
