"""New passwords of a running gateway are looked up by its control process; nothing of them stands in its log."""

import time
from pathlib import Path

import pytest
from tests.identity.range_service import RangeService, sha1
from tests.processes.callers_site import CallersSite, RecordingUpstream

from doorward.attack.provider.browser import Browser
from doorward.identity.enrolling import make_reset
from doorward.identity.events import events_of
from doorward.identity.users import add_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LEAKED, FINE, UNKNOWN = (
    f"a sentence that {what}" for what in ("leaked elsewhere", "never leaked yet", "nobody judged")
)


def test_a_breached_password_is_refused_and_no_digit_of_any_is_logged(tmp_path: Path) -> None:
    with RangeService(tmp_path).serving() as service, RecordingUpstream() as upstream:
        service.seen = {LEAKED: 2}
        looked_up = {
            "url": f"https://127.0.0.1:{service.port}/range",
            "insecure_networks": ["127.0.0.0/8"],
            "ca_file": service.ca_file.name,
            "timeout_s": 10,
        }
        issuer = {"listen": "127.0.0.1:0", "breached_passwords": looked_up, "flood_accounts": 200}
        site = CallersSite(tmp_path, upstream, workers=1, issuer=issuer)
        add_user(site.store, "alice", now=1.0)
        with site:

            def reset(password: str) -> str:
                browser = Browser(site.process.issuer_target, "https://127.0.0.1:8444", "192.0.2.1")
                browser.get("/auth/reset", ticket=make_reset(site.store, "alice", now=time.time()))
                return browser.send("/auth/reset", password=password).text

            assert "known from data breaches" in reset(LEAKED)
            assert "Password set" in reset(FINE)
            service.hostile = lambda handler: handler.send_error(503)
            assert "Password set" in reset(UNKNOWN)
            unchecked = [each.detail for each in events_of(site.store, "alice") if each.kind == "password.unchecked"]
            log = site.process.log.upper()
        assert unchecked == [{"reason": "it answered 503", "outcome": "judge"}]
        assert "NEW PASSWORDS CANNOT BE LOOKED UP" in log
        digests = [sha1(each) for each in (LEAKED, FINE, UNKNOWN)]
        assert [each for each in digests if f"/{each[:5]}" in log or each[5:] in log or "/RANGE" in log] == []
        assert len(service.requests) == 3
