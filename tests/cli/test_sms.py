"""`doorward sms`: what the guard against pumping stopped, listed and let again."""

import time
from pathlib import Path

import pytest
from sqlalchemy import insert
from tests.cli.test_callers import Place

from doorward.errors import PolicyError
from doorward.identity.events import events_of
from doorward.identity.sms.prefixes import JUDGED_LEAST, UNDER_WAY_S
from doorward.store import open_store, sms_sends


def test_a_stopped_prefix_is_listed_and_released_once_by_whoever_runs_the_command(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert "no text messages are stopped" in place.run("sms", "stopped").stderr
    store = open_store(f"sqlite:///{place.state / 'store.db'}")
    sent_at = time.time() - UNDER_WAY_S
    rows = [{"id": f"{each:032}", "prefix": "+88351", "sent_at": sent_at} for each in range(JUDGED_LEAST)]
    with store.begin() as connection:
        connection.execute(insert(sms_sends).values(rows))
    (listed,) = place.json("sms", "stopped")
    assert listed == {"prefix": "+88351", "judged": JUDGED_LEAST, "returned": 0, "until": sent_at + 86_400}
    assert "+88351" in place.run("sms", "stopped").stdout
    assert "gets codes again; 0 of 20" in place.run("sms", "release", "+88351").stderr
    assert place.json("sms", "stopped") == []
    (event,) = events_of(store, "")
    assert (event.kind, event.actor[:4]) == ("sms.released", "cli:")
    with pytest.raises(PolicyError, match="stopped"):
        place.run("sms", "release", "+88351")
    store.close()
