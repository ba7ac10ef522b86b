"""Every reason for which Doorward says no: one stable code each, and what a client may learn of it.

A released code never changes its meaning. Adding one means adding an attack that earns it and a line on its
control's page under `docs/controls/`; a test holds the three together.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Severity = Literal["low", "medium", "high"]


class Denial(NamedTuple):
    """What one denial code stands for."""

    status: int
    title: str
    severity: Severity
    owasp: str
    """The entry of the OWASP API Security Top 10 (2023) it belongs to."""
    closes: bool = False
    """The connection cannot be trusted after it (framing) or must not be kept (floods): answer, then close."""


class Denied(Exception):
    """Policy said no. Answered in one place; `detail` goes to the record, never to the client.

    `headers` are added to the answer (WWW-Authenticate, Allow, Retry-After); `public` are extra members of the
    problem document, and must hold nothing the client did not send or may not know (a JSON pointer, never a value).
    """

    __slots__ = ("code", "denial", "detail", "headers", "public")

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        public: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.denial = DENIALS[code]
        self.headers = headers
        self.public = public


_MALFORMED: Final = "Malformed request"
_FRAMING: Final = Denial(400, _MALFORMED, "high", "API8:2023", closes=True)
_HEAD: Final = Denial(400, _MALFORMED, "medium", "API8:2023", closes=True)
_PATH: Final = Denial(400, "Malformed path", "high", "API8:2023")
_SIGNATURE: Final = Denial(401, "The signature was not accepted", "medium", "API2:2023")
_TOKEN: Final = Denial(401, "The credential was not accepted", "medium", "API2:2023")

DENIALS: Final[Mapping[str, Denial]] = MappingProxyType(
    {
        # -- transport: is it one unambiguous request, over TLS? ------------------------------------------------
        "transport.cl_te": _FRAMING,
        "transport.cl_duplicate": _FRAMING,
        "transport.cl_invalid": _FRAMING,
        "transport.te_invalid": _FRAMING,
        "transport.te_unknown": Denial(501, "Transfer coding not implemented", "high", "API8:2023", closes=True),
        "transport.te_http10": _FRAMING,
        "transport.unexpected_body": _FRAMING,
        "transport.expect": _HEAD,
        "transport.chunk_size": _FRAMING,
        "transport.chunk_extension": _FRAMING,
        "transport.chunk_data": _FRAMING,
        "transport.bare_lf": _FRAMING,
        "transport.control_byte": _FRAMING,
        "transport.obs_fold": _FRAMING,
        "transport.start_line": _HEAD,
        "transport.header_name": _HEAD,
        "transport.header_duplicate": _HEAD,
        "transport.header_alias": _HEAD,
        "transport.host_invalid": _HEAD,
        "transport.host_mismatch": _HEAD,
        "transport.host_unknown": Denial(421, "Misdirected request", "medium", "API8:2023"),
        "transport.upgrade": _HEAD,
        "transport.method_denied": Denial(405, "Method not allowed", "medium", "API8:2023", closes=True),
        "transport.method_unknown": Denial(501, "Method not implemented", "low", "API8:2023", closes=True),
        "transport.path_traversal": _PATH,
        "transport.path_double": _PATH,
        "transport.path_matrix": _PATH,
        "transport.path_bytes": _PATH,
        "transport.path_fragment": _PATH,
        "transport.tls_plaintext": Denial(400, "This API is served over TLS only", "high", "API8:2023", closes=True),
        "transport.tls_sni": Denial(421, "Misdirected request", "medium", "API8:2023"),
        # -- limits: is this address, this caller, within its limits? -------------------------------------------
        "limits.slow_header": Denial(408, "Request timeout", "medium", "API4:2023", closes=True),
        "limits.slow_body": Denial(408, "Request timeout", "medium", "API4:2023", closes=True),
        "limits.body_size": Denial(413, "Content too large", "medium", "API4:2023", closes=True),
        "limits.target_size": Denial(414, "URI too long", "low", "API4:2023", closes=True),
        "limits.header_size": Denial(431, "Request header fields too large", "low", "API4:2023", closes=True),
        "limits.rate": Denial(429, "Too many requests", "medium", "API4:2023"),
        "limits.concurrency": Denial(429, "Too many requests at a time", "medium", "API4:2023"),
        "limits.quota": Denial(429, "Quota used up", "medium", "API4:2023"),
        "limits.overload": Denial(503, "Busy, try again later", "medium", "API4:2023", closes=True),
        # -- authenticate: who is calling? ----------------------------------------------------------------------
        "authenticate.missing": Denial(401, "A credential is required", "low", "API2:2023"),
        "authenticate.token_algorithm": _TOKEN._replace(severity="high"),
        "authenticate.token_key": _TOKEN,
        "authenticate.token_reference": _TOKEN._replace(severity="high"),
        "authenticate.token_signature": _TOKEN._replace(severity="high"),
        "authenticate.token_time": _TOKEN._replace(severity="low"),
        "authenticate.token_claims": _TOKEN,
        "authenticate.token_header": _TOKEN._replace(severity="high"),
        "authenticate.token_size": _TOKEN,
        "authenticate.token_revoked": _TOKEN,
        "authenticate.token_inactive": _TOKEN,
        "authenticate.token_unbound": _TOKEN,
        "authenticate.proof_missing": _TOKEN._replace(severity="high"),
        "authenticate.proof_invalid": _TOKEN._replace(severity="high"),
        "authenticate.proof_replayed": _TOKEN._replace(severity="high"),
        "authenticate.proof_nonce": _TOKEN._replace(severity="low"),
        "authenticate.certificate_missing": _TOKEN._replace(severity="high"),
        "authenticate.certificate_mismatch": _TOKEN._replace(severity="high"),
        "authenticate.certificate_untrusted": _TOKEN._replace(severity="high"),
        "authenticate.certificate_revoked": _TOKEN._replace(severity="high"),
        "authenticate.api_key": _TOKEN,
        "authenticate.basic": _TOKEN,
        # whoever has the whole key and comes from elsewhere has probably stolen it
        "authenticate.key_address": _TOKEN._replace(severity="high"),
        "authenticate.signature_missing": Denial(401, "A signature is required", "low", "API2:2023"),
        "authenticate.signature_invalid": _SIGNATURE._replace(severity="high"),
        "authenticate.signature_uncovered": _SIGNATURE,
        "authenticate.signature_expired": _SIGNATURE._replace(severity="low"),
        "authenticate.signature_replayed": _SIGNATURE._replace(severity="high"),
        "authenticate.signature_digest": _SIGNATURE._replace(severity="high"),
        # One code for whatever is wrong with it: which step failed would tell how near a guess was.
        "authenticate.body_decryption": Denial(400, "The body was not encrypted as demanded", "high", "API2:2023"),
        "authenticate.stale": Denial(503, "Callers cannot be identified right now", "high", "API2:2023"),
        "authenticate.unavailable": Denial(503, "Callers cannot be identified right now", "high", "API2:2023"),
        # -- authorize: may they do this, to this object? -------------------------------------------------------
        "authorize.origin": Denial(403, "Forbidden", "high", "API8:2023"),
        "authorize.role": Denial(403, "Not allowed", "high", "API5:2023"),
        "authorize.operation": Denial(403, "Not allowed", "high", "API5:2023"),
        "authorize.property": Denial(403, "A member of the body may not be set", "high", "API3:2023"),
        "authorize.scope": Denial(403, "The credential lacks a scope", "medium", "API5:2023"),
        # 404, not 403: a 403 would confirm that the object exists.
        "authorize.owner": Denial(404, "Not found", "high", "API1:2023"),
        # -- validate: does it fit the API description? ---------------------------------------------------------
        "validate.path_unknown": Denial(404, "Not found", "low", "API9:2023"),
        "validate.method": Denial(405, "Method not allowed", "low", "API9:2023"),
        "validate.parameter": Denial(400, "A parameter does not fit the API description", "low", "API8:2023"),
        "validate.content_type": Denial(415, "Unsupported media type", "low", "API8:2023"),
        "validate.charset": Denial(415, "Unsupported character encoding", "medium", "API8:2023"),
        "validate.content_encoding": Denial(415, "Unsupported content encoding", "medium", "API4:2023"),
        "validate.json_syntax": Denial(400, "The body is not valid JSON", "low", "API8:2023"),
        "validate.json_duplicate": Denial(400, "The body names a member twice", "medium", "API8:2023"),
        "validate.json_limit": Denial(
            400, "The body is nested too deep or has too many members", "medium", "API4:2023"
        ),
        "validate.json_number": Denial(400, "A number is out of range", "low", "API8:2023"),
        "validate.graphql": Denial(400, "The GraphQL request asks for too much", "medium", "API4:2023"),
        "validate.multipart": Denial(400, "The multipart body is malformed", "medium", "API8:2023"),
        "validate.upload": Denial(400, "A file is not accepted", "high", "API8:2023"),
        "validate.upload_type": Denial(415, "A file is of another type than accepted", "high", "API8:2023"),
        "validate.upload_size": Denial(413, "A file is too large", "medium", "API4:2023"),
        "validate.archive": Denial(400, "An archive is not accepted", "high", "API8:2023"),
        "validate.malware": Denial(403, "A file holds malware", "high", "API8:2023"),
        "validate.unscanned": Denial(503, "Files cannot be scanned right now", "high", "API8:2023"),
        "validate.xml": Denial(400, "The body is not acceptable XML", "medium", "API8:2023"),
        "validate.schema": Denial(400, "The body does not fit the API description", "low", "API8:2023"),
        "validate.unknown_property": Denial(400, "The body has an undeclared member", "medium", "API3:2023"),
        # -- inspect: is anything in it meant to do harm? -------------------------------------------------------
        "inspect.sql": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.xss": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.command": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.traversal": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.nosql": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.ldap": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.xpath": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.template": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.ssrf": Denial(403, "Refused by content inspection", "high", "API7:2023"),
        "inspect.xxe": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.crlf": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.prototype": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.deserialization": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.ssi": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        "inspect.code": Denial(403, "Refused by content inspection", "high", "API8:2023"),
        # -- forward: the upstream ------------------------------------------------------------------------------
        "forward.upstream_framing": Denial(502, "Bad gateway", "high", "API10:2023"),
        "forward.upstream_tls": Denial(502, "Bad gateway", "high", "API10:2023"),
        "forward.upstream_unreachable": Denial(502, "Bad gateway", "medium", "API10:2023"),
        "forward.upstream_busy": Denial(503, "Busy, try again later", "medium", "API4:2023"),
        "forward.upstream_timeout": Denial(504, "Gateway timeout", "medium", "API4:2023"),
        # -- minimise: only declared fields leave ---------------------------------------------------------------
        "minimise.response_schema": Denial(502, "Bad gateway", "high", "API3:2023"),
        # -- audit: no answer without a record ------------------------------------------------------------------
        "audit.unavailable": Denial(503, "Requests cannot be recorded right now", "high", "API8:2023"),
    }
)
