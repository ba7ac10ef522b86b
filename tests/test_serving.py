"""What is in force stays in force when what comes next cannot be used."""

import contextlib
import errno
import json
from pathlib import Path
from typing import Any

import pytest
from tests.controls.authenticate.partner import Partner

from doorward.cli.init import init
from doorward.controls.authenticate import credentials_data, sealed_name
from doorward.encryption_key import add_encryption_key, encryption_keys_for
from doorward.errors import PolicyError
from doorward.freshness import FILE_NAME, Confirming
from doorward.policy.loading import load_policy
from doorward.policy.snapshot import Snapshot, policy_data
from doorward.sealing import sealer_for
from doorward.serving import RETRY_S, Serving

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": {}}


class Published:
    """A state directory with a snapshot in it."""

    def __init__(self, directory: Path) -> None:
        (directory / "openapi.json").write_text(json.dumps(DOCUMENT))
        with contextlib.redirect_stdout(None):
            init(openapi=directory / "openapi.json", upstream="http://127.0.0.1:9", directory=directory)
        self.policy = directory / "doorward.yaml"
        self.keys = directory / ".doorward" / "keys"
        self.upstream_key = self.keys / "upstream.json"
        self.snapshot = directory / ".doorward" / "snapshot.json"
        self.publish(1)

    def publish(self, number: int, *signature_keys: dict[str, Any], **described: Any) -> None:
        Snapshot(
            number=number,
            policy_file=str(self.policy),
            policy=policy_data(load_policy(self.policy)),
            description={**DOCUMENT, **described, "x-number": number},
            credentials=credentials_data(issuers={}, signature_keys=signature_keys),
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


def test_the_number_of_workers_is_the_one_that_was_started(published: Published) -> None:
    serving = Serving(published.snapshot, workers=2)
    for number in (1, 2):
        published.publish(number)
        serving.refresh()
        assert serving.policy.workers == 2
        assert serving.policy.counts_together
    assert serving.counters.share == 0.5
    assert Serving(published.snapshot).policy.workers == 1


def test_whoever_serves_knows_how_old_that_is_which_it_serves_by(published: Published) -> None:
    serving = Serving(published.snapshot)
    assert serving.credentials.age_s == float("inf"), "nobody has confirmed anything"
    Confirming(published.snapshot.parent).confirm()
    serving.refresh()
    assert 0 <= serving.credentials.age_s < 60
    (published.snapshot.parent / FILE_NAME).unlink()
    published.publish(2)
    assert serving.refresh()
    assert serving.credentials.age_s == float("inf")


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_a_snapshot_that_cannot_be_used_lets_what_is_served_by_grow_old(published: Published) -> None:
    clock = Clock()
    confirming = Confirming(published.snapshot.parent, clock)
    confirming.confirm()
    serving = Serving(published.snapshot, clock=clock)
    assert serving.credentials.age_s == 0.0
    published.snapshot.write_bytes(b"damaged")
    for _ in range(30):
        clock.now += 1
        confirming.confirm()
        assert not serving.refresh()
    assert serving.credentials.age_s == 30.0, "what is confirmed is another snapshot than the one in force"
    published.publish(2)
    assert serving.refresh()
    assert serving.credentials.age_s == 0.0


def test_a_revocation_counts_although_the_policy_published_with_it_cannot_be_used(published: Published) -> None:
    Confirming(published.snapshot.parent).confirm()
    published.publish(1, Partner().records[0])
    serving = Serving(published.snapshot)
    before = serving.pipeline
    published.upstream_key.write_text("{}")
    published.publish(2, Partner().records[0] | {"revoked": True})
    assert not serving.refresh()
    assert serving.pipeline is before
    assert serving.credentials.signature_keys["ed"].revoked
    assert serving.credentials.age_s < 60


def test_a_snapshot_that_was_refused_is_tried_again_although_no_file_has_changed(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    serving = Serving(published.snapshot, clock=clock)

    def fails(_path: Path) -> Snapshot:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(Snapshot, "read", fails)
        published.publish(2)
        assert not serving.refresh()
    assert not serving.refresh(), "not at once: whatever is wrong with it, the log must not fill"
    clock.now += RETRY_S
    assert serving.refresh()
    clock.now += RETRY_S
    assert not serving.refresh(), "it is in force"


def test_a_key_file_gone_bad_leaves_the_pipeline_in_force(published: Published) -> None:
    serving = Serving(published.snapshot)
    before = serving.pipeline
    published.upstream_key.write_text("{}")
    published.publish(2)
    assert not serving.refresh()
    assert serving.pipeline is before


@pytest.mark.parametrize("name", ["upstream.json", "record.key"])
def test_a_key_file_that_is_gone_stops_a_start_by_its_name_and_a_running_worker_goes_on(
    published: Published, name: str
) -> None:
    serving = Serving(published.snapshot)
    before = serving.pipeline
    (published.keys / name).rename(published.keys / "away")
    published.publish(2)
    assert not serving.refresh()
    assert serving.pipeline is before
    with pytest.raises(PolicyError, match=name.replace(".", r"\.")) as refusal:
        Serving(published.snapshot)
    assert refusal.value.hint


def test_a_broken_key_of_signed_answers_costs_nothing_where_none_is_signed(published: Published) -> None:
    key = published.keys / "answers.pem"
    key.write_bytes(b"not a key")
    key.chmod(0o600)
    serving = Serving(published.snapshot)
    published.publish(2)
    serving.refresh()
    assert serving._snapshot.number == 2


def test_a_worker_does_not_start_with_a_bad_key_file_and_says_which(published: Published) -> None:
    published.upstream_key.write_text("{}")
    with pytest.raises(PolicyError, match=r"upstream\.json"):
        Serving(published.snapshot)


def sealed_keys(published: Published) -> tuple[list[dict[str, Any]], Path]:
    """A public key and a sealed secret, and the file that opens the second."""
    sealed = sealer_for(published.keys).seal(sealed_name("mac"), b"s" * 32)
    public, secret, _ = Partner().records
    return [public, secret | {"sealed": sealed}], published.keys / "sealing.key"


@pytest.mark.parametrize("starts", [True, False])
def test_a_sealing_key_that_cannot_be_read_costs_only_what_it_sealed(published: Published, starts: bool) -> None:
    running = Serving(published.snapshot)
    (public, secret), file = sealed_keys(published)
    file.chmod(0o640)
    published.publish(1, public, secret)
    serving = Serving(published.snapshot) if starts else running
    serving.refresh()
    assert set(serving.credentials.signature_keys) == {"ed"}
    assert serving.credentials.unusable_keys == ("signature key mac cannot be used",)
    published.publish(1, public | {"revoked": True}, secret)
    serving.refresh()
    assert serving.credentials.signature_keys["ed"].revoked
    file.chmod(0o600)
    serving.refresh()
    assert set(serving.credentials.signature_keys) == {"ed", "mac"}


def test_what_was_refused_is_tried_again_when_a_key_is_mended(published: Published) -> None:
    serving = Serving(published.snapshot)
    good = published.upstream_key.read_bytes()
    published.upstream_key.write_text("{}")
    published.publish(2)
    assert not serving.refresh()
    published.upstream_key.write_bytes(good)
    assert serving.refresh()


def test_a_new_key_for_encrypted_bodies_needs_no_new_policy(published: Published) -> None:
    first = encryption_keys_for(published.keys)[0].key
    serving = Serving(published.snapshot)
    pipeline = serving.pipeline
    second = add_encryption_key(published.keys, "ECDH-ES+A256KW", now=1000.0, overlap_s=60.0)
    assert not serving.refresh()
    assert serving.pipeline is pipeline
    own = serving.credentials.encryption.own
    assert {key_id: each.until for key_id, each in own.items()} == {second.id: float("inf"), first.id: 1060.0}


def test_a_key_file_that_others_may_read_changes_nothing(published: Published) -> None:
    encryption_keys_for(published.keys)
    serving = Serving(published.snapshot)
    known = dict(serving.credentials.encryption.own)
    (published.keys / "encryption.json").chmod(0o644)
    assert not serving.refresh()
    assert serving.credentials.encryption.own == known
