import json
import logging
import subprocess
import sys

import pytest

from doorward.logs import VALUE_CHARACTERS, escape_and_mask

HOSTILE = "a\r\nb\x1b[31m\x00\x85\u202e\u2028"

PROGRAM = """
import logging, structlog, sys
from doorward import logs
logs.configure("worker-0", sys.argv[1])
log = structlog.get_logger()
log.error("refused", reason=sys.argv[2], api_key="dw_secret")
logging.getLogger("uvicorn.error").warning("from %s", sys.argv[2])
try:
    raise ValueError(sys.argv[2])
except ValueError:
    log.exception("broke")
"""


def lines(form: str, text: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form, text], capture_output=True, check=True, timeout=20)
    assert done.stdout == b""
    return done.stderr.decode().splitlines()


@pytest.mark.parametrize("form", ["json", "console"])
def test_one_event_is_one_line_whatever_is_in_it(form: str) -> None:
    found = lines(form, HOSTILE.replace("\x00", ""))
    assert len(found) == 3
    assert all(line.isprintable() for line in found)


def test_a_json_line_says_when_who_and_what() -> None:
    event = json.loads(lines("json", "Café")[0])
    assert (event["process"], event["level"], event["event"], event["reason"]) == (
        "worker-0",
        "error",
        "refused",
        "Café",
    )
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_is_masked(form: str) -> None:
    found = lines(form, "x")[0]
    assert "dw_secret" not in found
    assert "****" in found


@pytest.mark.parametrize("name", ["password", "Authorization", "set_cookie", "client_secret", "access_token"])
def test_every_name_of_a_secret_is_known(name: str) -> None:
    assert escape_and_mask(None, "", {name: "x"}) == {name: "****"}


def test_a_long_value_is_cut_and_a_number_is_left_alone() -> None:
    event = escape_and_mask(None, "", {"agent": "x" * 1_000_000, "count": 3, "flag": True, "nothing": None})
    assert len(str(event["agent"])) < VALUE_CHARACTERS + 50
    assert (event["count"], event["flag"], event["nothing"]) == (3, True, None)


def test_hostile_text_is_escaped_and_an_accent_is_kept() -> None:
    event = escape_and_mask(None, "", {"path": HOSTILE, "name": "Zoë"})
    assert event == {"path": "a\\r\\nb\\x1b[31m\\x00\\x85\\u202e\\u2028", "name": "Zoë"}


def test_a_record_of_the_standard_library_passes_unchanged() -> None:
    record = logging.makeLogRecord({"msg": "x"})
    assert escape_and_mask(None, "", {"_record": record})["_record"] is record
