"""The narrowest change of a policy that lets such a request pass."""

import datetime as dt
import json
import re
from typing import Final

_BY_CONTROL: Final = {
    "transport": "not for one client: what it sends could be read in two ways. Correct the client",
    "limits": 'raise the limit for this operation alone: `operations: {"%s": {limits: {...}}}`',
    "authenticate": "the client needs a valid credential. Only if anybody may call it: `public: [%s]`",
    "authorize": "grant it to a role the caller has: `roles: {<role>: [%s]}`; or correct the rule under `owners`",
    "validate": 'correct the API description; meanwhile `operations: {"%s": {modes: {validate: observe}}}`',
    "inspect": 'if it was harmless: `operations: {"%s": {modes: {inspect: observe}}}`',
    "forward": "nothing to relax: the upstream did not answer as HTTP asks",
    "minimise": 'correct the response schema; meanwhile `operations: {"%s": {modes: {minimise: observe}}}`',
    "audit": "nothing to relax: make room on the disk of the trail, or repair it",
}
"""`%s` is the operation as the policy names it."""
_EXCLUSION: Final = (
    "if it was harmless: `inspect: {exclude: [{class: %s, operation: %s, field: %s, until: %s, "
    "reason: <why this content is expected there>}]}`"
)
_EXCLUSION_DAYS: Final = 90
_PLACE: Final = re.compile(r"(/.{0,500}?|(?:query|path|header|cookie|form):.{1,200}?|body)(?:: |$)")


def relaxing(code: str, operation: str, detail: str) -> str:
    """What to write for a denial of that code. `detail`: of the record, beginning with the field where one is meant.

    >>> relaxing("authenticate.missing", "GET /a", "")
    'the client needs a valid credential. Only if anybody may call it: `public: [GET /a]`'
    """
    control, _, threat = code.partition(".")
    place = _PLACE.match(detail) if control == "inspect" else None
    if place is not None:
        until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=_EXCLUSION_DAYS)
        return _EXCLUSION % (threat, operation, json.dumps(place[1]), until.isoformat())
    text = _BY_CONTROL[control]
    return text % operation if "%s" in text else text
