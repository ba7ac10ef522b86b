"""From the facts on an exchange to its records. Nothing is parsed or searched for it, and every field has a cap."""

from typing import Final

from doorward.controls.audit.policy import AuditPolicy
from doorward.controls.audit.record import Record, encode
from doorward.controls.audit.records import Closed, Intent, Kind, Outcome
from doorward.controls.audit.redact import Tagger, presented_credential, redact
from doorward.controls.audit.sanitise import clean, clean_bytes, was_cut
from doorward.exchange import Exchange, Request

_OUTCOME: Final = int(Kind.OUTCOME)
_REFUSED: Final = int(Kind.REFUSED)
_PATH_BYTES: Final = 2048
_NAME_BYTES: Final = 256
_WORD_BYTES: Final = 64
_FINDING_BYTES: Final = 128
_FINDING_COUNT: Final = 32
_ROLE_COUNT: Final = 16
_ROLES_KEPT: Final = 1024
"""Sets of roles whose clean form is remembered."""


class Recorder:
    """Builds the records of exchanges.

    `key` is the installation's record key: secrets appear only as HMACs under it. `credential_fields`: header fields
    that carry credentials by the policy, beside the usual ones and those of the description.
    """

    __slots__ = ("_credential_fields", "_keeps_user_agent", "_roles", "_tagger", "coalesces")

    def __init__(self, policy: AuditPolicy, key: bytes, *, credential_fields: tuple[bytes, ...] = ()) -> None:
        self._tagger, self._credential_fields = Tagger(key), credential_fields
        self._keeps_user_agent = policy.user_agent
        self.coalesces = policy.coalesce
        """Whether floods of refusals are counted instead of recorded one by one."""
        self._roles: dict[frozenset[str], tuple[str, ...]] = {frozenset(): ()}

    def intent(self, exchange: Exchange) -> Record:
        """What must be durable before the upstream sees the first byte of a state-changing request."""
        request, caller, operation = exchange.request, exchange.caller, exchange.operation
        return encode(
            Kind.INTENT,
            Intent(
                bytes.fromhex(exchange.id),
                int(exchange.now * 1000),
                clean(operation.id, _NAME_BYTES) if operation else "",
                clean(request.method, _WORD_BYTES),
                clean_bytes(request.path, _PATH_BYTES),
                clean(caller.key, _NAME_BYTES) if caller else "",
                clean(exchange.source.address, _WORD_BYTES),
                self._content_tag(request),
                exchange.policy_version,
            ),
        )

    def outcome(self, exchange: Exchange) -> Record:
        """What must be durable before the answer leaves, be it the upstream's, a denial or a fault."""
        denied, fault = exchange.denied, exchange.fault
        if denied is not None:
            detail = self._redacted(f"{denied.detail}; fault: {fault}" if fault else denied.detail, exchange)
            return self._encode(exchange, denied.denial.status, denied.code, detail)
        if fault:
            return self._encode(exchange, 500, "", self._redacted(fault, exchange))
        return self._encode(exchange, exchange.response.status if exchange.response else 0, "", "")

    def closed(self, exchange: Exchange, complete: bool, detail: str = "") -> Record:
        """How a streamed answer or a WebSocket ended: `complete` is false when either side broke it off."""
        return encode(
            Kind.CLOSED,
            Closed(bytes.fromhex(exchange.id), complete, exchange.bytes_in, exchange.bytes_out, clean(detail)),
        )

    def _encode(self, exchange: Exchange, status: int, code: str, detail: str) -> Record:
        request, caller, operation, source = exchange.request, exchange.caller, exchange.operation, exchange.source
        refused = bool(code or detail)
        user_agent = request.headers.get(b"user-agent") if self._keeps_user_agent else None
        agent = clean_bytes(user_agent) if user_agent else ""
        findings = _clean_findings(exchange.findings) if exchange.findings else ()
        if was_cut(agent):
            findings = (*findings, "audit.field_cut:user_agent")
        has_intent = operation is not None and operation.changes_state and not refused
        return encode(
            _REFUSED if refused else _OUTCOME,
            Outcome(
                bytes.fromhex(exchange.id),
                int(exchange.now * 1000),
                clean(operation.id, _NAME_BYTES) if operation else "",
                clean(request.method, _WORD_BYTES),
                clean_bytes(request.path, _PATH_BYTES),
                status,
                clean(caller.key, _NAME_BYTES) if caller else "",
                caller.kind if caller else "",
                clean(caller.credential_id, _NAME_BYTES) if caller else "",
                (self._roles.get(caller.roles) or self._clean_roles(caller.roles)) if caller else (),
                clean(source.address, _WORD_BYTES),
                source.port,
                source.tls_version or "",
                exchange.policy_version,
                int(exchange.upstream_ms * 1000),
                exchange.bytes_in,
                exchange.bytes_out,
                b"" if has_intent else self._content_tag(request),
                agent,
                findings,
                code,
                detail,
                self._credential_tag(exchange) if code.startswith("authenticate.") else b"",
            ),
        )

    def _content_tag(self, request: Request) -> bytes:
        return self._tagger.tag(request.query, request.body) if request.query or request.body else b""

    def _redacted(self, text: str, exchange: Exchange) -> str:
        return clean(redact(text, exchange, self._tagger, self._credential_fields))

    def _credential_tag(self, exchange: Exchange) -> bytes:
        credential = presented_credential(exchange, self._credential_fields)
        return self._tagger.tag(credential) if credential else b""

    def _clean_roles(self, roles: frozenset[str]) -> tuple[str, ...]:
        if len(self._roles) >= _ROLES_KEPT:
            self._roles.clear()
        cleaned = tuple(clean(role, _WORD_BYTES) for role in sorted(roles)[:_ROLE_COUNT])
        self._roles[roles] = cleaned
        return cleaned


def _clean_findings(findings: list[str]) -> tuple[str, ...]:
    cleaned = tuple(clean(finding, _FINDING_BYTES) for finding in findings[:_FINDING_COUNT])
    if len(findings) > _FINDING_COUNT:
        return (*cleaned, f"audit.findings_cut:{len(findings) - _FINDING_COUNT}")
    return cleaned
