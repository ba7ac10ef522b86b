"""Tokens that say nothing themselves (RFC 7662): what their issuer answered about them, and for how long that counts.

It decides without I/O: somebody else asks (`Introspector`), and a check that has to wait raises Pending. An issuer that
cannot be asked, or whose answer cannot be read, is no reason to let anybody in: 503.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Protocol

from doorward.controls.authenticate.challenge import unavailable
from doorward.controls.authenticate.policy import IntrospectionPolicy, IssuerPolicy
from doorward.controls.authenticate.token_caller import AcceptedToken, accept
from doorward.exchange import Pending
from doorward.jose import JoseError, Reason, parse_object

REFUSED_S: Final = 5.0
"""How long it is remembered that a token is none, in seconds, so that repeating it asks nobody."""
REFUSED_MOST: Final = 1024
"""Most such tokens remembered; those of good tokens are remembered apart, so that a flood pushes none of them out."""
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
"""b64token of RFC 6750 section 2.1: what cannot be a token is asked about nowhere."""
_DOTS_OF_JWT: Final = 2
_SUBJECT_CHARACTERS: Final = 255
_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "token_type": frozenset({"bearer", "dpop", "access_token"}),
    "typ": frozenset({"bearer", "dpop", "access_token", "at+jwt"}),
    "token_use": frozenset({"access", "access_token"}),
}
"""How issuers tell access tokens from others in their answers; a refresh token must open nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question."""

    body: bytes = b""
    """The JSON document, as it came."""
    problem: str = ""
    """Why there is none; empty when there is."""
    at: float
    """When it came, Unix seconds."""


class Introspector(Protocol):
    """Who asks issuers."""

    def ask(self, issuer: IssuerPolicy, token: str, done: Callable[[Answer], None]) -> None:
        """Nothing; `done` is called once, later or at once."""


class TokenInactive(Exception):
    """The issuer says that the token is none of its own, has ended or was revoked."""


@dataclass(frozen=True, slots=True)
class _No:
    """Why a token opens nothing. No exception: one that is kept and raised again grows with each time."""

    reason: Reason | Literal["inactive", "unavailable"]
    problem: str

    def error(self) -> Exception:
        match self.reason:
            case "inactive":
                return TokenInactive(self.problem)
            case "unavailable":
                return unavailable(self.problem)
            case reason:
                return JoseError(reason, self.problem)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known of a token, until then (Unix seconds)."""

    outcome: AcceptedToken | _No
    until: float


class OpaqueTokens:
    """What the issuers of one policy said of tokens. Each token is asked about once at a time."""

    __slots__ = ("_by_prefix", "_good", "_good_most", "_introspector", "_refused", "_waiting")

    def __init__(
        self,
        issuers: tuple[IssuerPolicy, ...],
        introspector: Callable[[], Introspector | None],
        remembered_count: int,
    ) -> None:
        """`issuers`: those with `introspection`."""
        found = [(_settings(issuer).prefix.encode(), issuer) for issuer in issuers]
        # the longest first: one prefix may begin another
        self._by_prefix = sorted(found, key=lambda each: len(each[0]), reverse=True)
        self._introspector, self._good_most = introspector, max(1, remembered_count)
        self._good: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._refused: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._waiting: dict[bytes, list[Callable[[], None]]] = {}

    def issuer_of(self, token: bytes) -> IssuerPolicy | None:
        """Who is to be asked about it; None for a token that is proved by a signature, or by nothing."""
        for prefix, issuer in self._by_prefix:
            if token.startswith(prefix) and (prefix or token.count(b".") != _DOTS_OF_JWT):
                return issuer
        return None

    def look(self, token: bytes, issuer: IssuerPolicy, now: float) -> AcceptedToken:
        """The token, when its issuer says that it is good, for this API.

        Errors: TokenInactive; JoseError for an answer about another token than this API takes; Denied
        `authenticate.unavailable`; Pending.
        """
        if _TOKEN.fullmatch(token) is None:
            raise JoseError("header", "has characters that no token has")
        known = self._good.get(token) or self._refused.get(token)
        if known is None or now > known.until:
            raise Pending(partial(self._ask, token, issuer, now))
        if isinstance(known.outcome, AcceptedToken):
            self._good.move_to_end(token)
            return known.outcome
        raise known.outcome.error()

    def _ask(self, token: bytes, issuer: IssuerPolicy, now: float, known: Callable[[], None]) -> None:
        waiting = self._waiting.get(token)
        if waiting is not None:
            waiting.append(known)
            return
        self._waiting[token] = [known]
        introspector = self._introspector()
        done = partial(self._take, token, issuer, now)
        if introspector is None:
            done(Answer(problem="nobody here asks issuers about tokens", at=now))
        else:
            introspector.ask(issuer, token.decode("ascii"), done)

    def _take(self, token: bytes, issuer: IssuerPolicy, asked_at: float, answer: Answer) -> None:
        verdict = _judged(issuer, answer, asked_at)
        self._good.pop(token, None)
        self._refused.pop(token, None)
        kept, most = self._good, self._good_most
        if not isinstance(verdict.outcome, AcceptedToken):
            kept, most = self._refused, REFUSED_MOST
        # Who waited meanwhile gets it, however late it is and whatever the clock did: they would only ask again.
        told = kept[token] = _Verdict(verdict.outcome, float("inf"))
        while len(kept) > most:
            kept.popitem(last=False)
        try:
            for known in self._waiting.pop(token, ()):
                known()
        finally:
            if kept.get(token) is told:
                kept[token] = verdict


def _judged(issuer: IssuerPolicy, answer: Answer, asked_at: float) -> _Verdict:
    cache_s, name = _settings(issuer).cache_s, issuer.issuer
    # Counted from when it was asked: an answer that took its time is as old as the question.
    said_at = min(asked_at, answer.at)
    refused_until = said_at + min(REFUSED_S, cache_s)
    if answer.problem:
        return _Verdict(_No("unavailable", f"{name} cannot be asked: {answer.problem}"), answer.at)
    try:
        claims = parse_object(answer.body, "answer")
    except JoseError as error:
        return _Verdict(_No("unavailable", f"{name} answered nonsense: {error.problem}"), answer.at)
    if claims.get("active") is False:
        return _Verdict(_No("inactive", f"{name} says that it is not active"), refused_until)
    if claims.get("active") is not True:
        # neither yes nor no: `"true"` and 1 are what a broken or forged answer looks like
        return _Verdict(_No("unavailable", f"{name} says neither that it is active nor that it is not"), answer.at)
    try:
        accepted = _accepted(claims, issuer, answer.at)
    except JoseError as error:
        return _Verdict(_No(error.reason, error.problem), refused_until)
    return _Verdict(accepted, min(said_at + cache_s, accepted.caller.expires_at))


def _accepted(claims: dict[str, Any], issuer: IssuerPolicy, now: float) -> AcceptedToken:
    """The token that an answer says is active. Errors: JoseError when it is not for us, or not what it must be."""
    settings = _settings(issuer)
    if claims.get("iss", issuer.issuer) != issuer.issuer:
        raise JoseError("claims", "the answer is about a token of another issuer")
    _require_audience(claims, issuer, settings)
    for name, allowed in _TYPES.items():
        value = claims.get(name, "bearer" if name != "token_use" else "access")
        if not isinstance(value, str) or value.lower() not in allowed:
            raise JoseError("claims", f"{name} says that it is no access token")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARACTERS or not subject.isprintable():
        raise JoseError("claims", "sub is not a short printable text")
    dates = {name: _date(claims, name) for name in ("exp", "nbf", "iat")}
    skew_s = issuer.clock_skew_s
    ends_at = dates["exp"]
    if ends_at is not None and now >= ends_at + skew_s:
        raise JoseError("time", "expired, although its issuer says that it is active")
    if any(date is not None and date > now + skew_s for date in (dates["nbf"], dates["iat"])):
        raise JoseError("time", "not valid yet")
    known = {name: value for name, value in claims.items() if name != "active"}
    # An answer without an end is asked for again soon; until then it stands for nothing longer.
    known["exp"] = now + max(settings.cache_s, 1) if ends_at is None else ends_at
    return accept(known, issuer, "")


def _require_audience(claims: Mapping[str, Any], issuer: IssuerPolicy, settings: IntrospectionPolicy) -> None:
    if "aud" not in claims and settings.insecure_no_audience:
        return
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named) or issuer.audience not in named:
        raise JoseError("claims", "aud does not name this API")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 40:
        raise JoseError("time", f"{name} is no date")
    return float(value)


def _settings(issuer: IssuerPolicy) -> IntrospectionPolicy:
    settings = issuer.introspection
    if settings is None:
        raise ValueError(f"{issuer.issuer} is not asked about tokens")
    return settings
