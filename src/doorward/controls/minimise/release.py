"""Compiles one operation into what its answers go through on their way out."""

import http
from typing import Any, Final

import orjson

from doorward.controls.minimise.headers import HeaderRules, set_body, without_body_fields
from doorward.controls.minimise.json_text import CODE, parsed, written
from doorward.controls.minimise.policy import MinimisePolicy
from doorward.controls.minimise.shape import Shape, ShapeCompiler
from doorward.controls.minimise.stream import ArrayFilter, JsonLinesFilter, TextFilter
from doorward.controls.minimise.texts import BIT_OF, CARDS, INTERNALS, SECRETS, Cleaner, Cleaning
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Exchange, Response
from doorward.media_types import is_json, is_xml
from doorward.operation import ApiDescription, MediaType, Operation, ResponseDescription, Schema
from doorward.schemas.judge import Judge

_MISFIT: Final = "minimise.unfit_value:"
_PROBLEM: Final = b"application/problem+json"
_LINES: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
    }
)
"""One JSON value a line."""
_TABLES: Final = frozenset({"text/csv", "text/tab-separated-values"})
_CODE_TEXTS: Final = frozenset({"text/event-stream", "text/javascript", "text/css"})
"""Never read as text: a stream without an end, and code, whose texts are nobody's data."""
LONG_BYTES: Final = 1_048_576
"""Longest body read whole where it could be read in pieces: texts by line, arrays by element."""
_OF_WHOLE_ARRAYS: Final = frozenset({"minItems", "maxItems", "uniqueItems", "contains", "prefixItems"})
"""Keywords that a part of an array cannot be held to."""
_PLANS: Final = 64
"""Most plans kept: an upstream that invents media types must not fill the memory."""


def compile_release(
    operation: Operation,
    policy: MinimisePolicy,
    description: ApiDescription,
    mask_key: bytes = b"",
    element_bytes: int = 10 * LONG_BYTES,
) -> "Release":
    """What the answers to this operation go through. `mask_key` keeps what is masked by a hash from being tried out.

    `element_bytes`: the largest element of an array, or line, of an answer that is filtered in pieces.

    Errors: PolicyError where `values: refuse` stands and a declared schema does not compile.
    """
    release = Release(operation, policy, description, mask_key, element_bytes)
    if policy.values == "refuse":
        for response in operation.responses.values():
            for content in response.content.values():
                if is_json(content.name):
                    _judge_of(content, description)
    return release


def _judge_of(content: MediaType, description: ApiDescription) -> Judge | None:
    """The judge of values as the upstream sends them: with undeclared members, which are removed, not refused."""
    if content.schema is None:
        return None
    return _judge_of_schema(content.schema, f"{content.pointer}/schema", description)


def _judge_of_schema(schema: Schema, pointer: str, description: ApiDescription) -> Judge:
    return Judge(schema, description.document, pointer, closes=False, excused="writeOnly", loosens=True)


def _cleaning(policy: MinimisePolicy, mask_key: bytes) -> Cleaning:
    kinds = (
        (0 if policy.insecure_card_numbers else CARDS)
        | (0 if policy.insecure_internals else INTERNALS)
        | (0 if policy.insecure_secrets else SECRETS)
        | sum(BIT_OF[kind] for kind in policy.masks)
    )
    return Cleaning(kinds, policy.masks, mask_key)


class Release:
    """The compiled release of one operation: ask `reads_body` when the head is there, then `apply`, for every answer.

    When `reads_body` says no, `apply` is called with `response.body` None, and the body is streamed after it.
    """

    __slots__ = (
        "_cleaning",
        "_declared",
        "_description",
        "_element_bytes",
        "_header_rules",
        "_known",
        "_plans",
        "compiler",
        "policy",
    )

    def __init__(
        self,
        operation: Operation,
        policy: MinimisePolicy,
        description: ApiDescription,
        mask_key: bytes,
        element_bytes: int,
    ) -> None:
        self._element_bytes = element_bytes
        self.policy = policy
        self._declared = operation.responses
        self._description = description
        self.compiler = ShapeCompiler(description)
        self._header_rules = HeaderRules(policy)
        self._cleaning = _cleaning(policy, mask_key)
        self._plans: dict[tuple[int, str], _Plan] = {}
        self._known: dict[tuple[int, bytes], _Plan] = {}
        """The same by the Content-Type as it came: an upstream writes it in few ways."""

    def reads_body(self, exchange: Exchange, response: Response) -> bool:
        """Whether `apply` needs the whole body; else it may be streamed."""
        if not _has_body(exchange, response):
            return False
        plan = self._plan(response)
        return plan.reads_body or (plan.is_text and _is_short(response))

    def streams(self, exchange: Exchange, response: Response) -> bool:
        """Whether a long body that `apply` would need whole can be filtered in pieces as well.

        Not for HTTP/1.0: its clients could not tell an answer that was broken off from a whole one.
        """
        if exchange.request.http_version == "1.0" or not _has_body(exchange, response):
            return False
        return self._plan(response).is_cut

    def apply(self, exchange: Exchange) -> None:
        """Nothing; `exchange.response` holds what may leave, and the findings say what was taken out.

        Errors: Denied `minimise.response_schema` when the answer is not one the description declares.
        """
        response = exchange.response
        if response is None:
            return
        plan = self._plan(response)
        if _has_body(exchange, response):
            plan = self._body(exchange, response, plan)
        self._header_rules.apply(exchange, response, is_json=plan.is_json, caching_is_declared=plan.caching_is_declared)

    def _body(self, exchange: Exchange, response: Response, plan: "_Plan") -> "_Plan":
        if plan.refusal:
            if response.status < 400:
                _refuse_or_empty(response, plan.refusal)
                return plan
            finding = "upstream_error" if response.status >= 500 else "undeclared_error"
            exchange.findings.append(f"minimise.{finding}:{response.status}")
            set_body(response, _problem(exchange, response.status), media_type=_PROBLEM)
        elif plan.reads_body and response.body:
            self._json(exchange, response, response.body, plan)
        elif plan.is_cut and response.body is None:
            if _is_compressed(response):
                raise Denied(CODE, "the answer is compressed although none was asked for")
            values = _Values(self, plan.each, plan.judge_of_each, exchange)
            make = JsonLinesFilter if plan.is_lines else ArrayFilter
            exchange.body_filter = make(values, self._cleaning, self._element_bytes)
            response.headers = without_body_fields(response)
        elif plan.is_text:
            self._text(exchange, response, plan)
        return plan

    def _text(self, exchange: Exchange, response: Response, plan: "_Plan") -> None:
        body = response.body
        if _is_compressed(response):
            exchange.findings.append("minimise.unread_text")
            return
        if body is None:
            exchange.body_filter = TextFilter(self._cleaning)
            response.headers = without_body_fields(response)
            return
        kinds = self._cleaning.scanner.kinds(body)
        if kinds:
            cleaner = self._cleaning.cleaner(kinds)
            cleaned = cleaner.clean_bytes(body, by_line=plan.is_table)
            _note(exchange, cleaner)
            if cleaned != body:
                set_body(response, cleaned)

    def _json(self, exchange: Exchange, response: Response, body: bytes, plan: "_Plan") -> None:
        if _is_compressed(response):
            raise Denied(CODE, "the answer is compressed although none was asked for")
        pieces = body.split(b"\n") if plan.is_lines else [body]
        kinds = self._cleaning.kinds_in_json(body)
        cleaner = self._cleaning.cleaner(kinds) if kinds else None
        dropped = changed = 0
        values = _Values(self, plan.shape, plan.judge, exchange)
        for place, piece in enumerate(pieces):
            if plan.is_lines and not piece.strip(b" \t\r"):
                continue
            value = parsed(piece)
            dropped += values.keep(value)
            total = dropped
            if cleaner is not None:
                value = cleaner.clean(value, plan.shape) if isinstance(value, (str, dict, list)) else value
                total += cleaner.masked_count + cleaner.replaced_count
            if total != changed:
                pieces[place], changed = written(value), total
        exchange.findings.extend(values.findings())
        if dropped:
            exchange.findings.append(f"minimise.undeclared_field:{dropped}")
        if cleaner is not None:
            _note(exchange, cleaner)
        if changed:
            set_body(response, b"\n".join(pieces))

    def _plan(self, response: Response) -> "_Plan":
        media_type = b""
        for name, value in response.headers:
            if name == b"content-type":
                media_type = value
                break
        key = (response.status, media_type)
        plan = self._known.get(key)
        if plan is None:
            plan = self._plan_of(response.status, media_type.partition(b";")[0].strip(b" \t").lower().decode("latin-1"))
            if len(self._known) < _PLANS:
                self._known[key] = plan
        return plan

    def _plan_of(self, status: int, media_type: str) -> "_Plan":
        plan = self._plans.get((status, media_type))
        if plan is None:
            plan = self._compiled(status, media_type)
            if len(self._plans) < _PLANS:
                self._plans[status, media_type] = plan
        return plan

    def _compiled(self, status: int, media_type: str) -> "_Plan":
        declared = declared_response(self._declared, status)
        if status >= 500 and not (self.policy.insecure_upstream_errors and declared):
            return _Plan(media_type, declared, refusal="an error of the upstream")
        if declared is None:
            return self._undeclared(media_type, None, f"status {status} is not declared")
        content = declared_content(declared, media_type)
        if content is None:
            what = f"media type {media_type[:64] or '(none)'} is not declared for status {status}"
            return self._undeclared(media_type, declared, what)
        shape = self.compiler.shape((content.schema,)) if content.schema is not None else None
        if is_json(media_type):
            each, judge_of_each = self._elements(content, shape)
            judge = self._judge(content)
            return _Plan(media_type, declared, shape=shape, judge=judge, each=each, judge_of_each=judge_of_each)
        each = shape.of_each() if shape is not None else None
        if each is not None and media_type.endswith(("/json-seq", "+json-seq")):
            return self._undeclared(media_type, declared, f"{media_type[:64]} cannot be filtered by its schema")
        is_lines = each is not None and media_type in _LINES
        return _Plan(media_type, declared, shape=each, each=each, is_lines=is_lines)

    def _elements(self, content: MediaType, shape: Shape | None) -> tuple[Shape | None, Judge | None]:
        """The shape and judge of the elements of an array that can be cut between them; None where it cannot."""
        if content.schema is None or shape is None or shape.takes != {list} or shape.is_free:
            return None, None
        schema = self._description.resolve(content.schema)
        if self.policy.values == "refuse" and schema.keys() & _OF_WHOLE_ARRAYS:
            return None, None
        items = schema.get("items")
        if self.policy.values == "pass" or not isinstance(items, dict):
            return shape.element(), None
        try:
            return shape.element(), _judge_of_schema(items, f"{content.pointer}/schema/items", self._description)
        except PolicyError:
            return shape.element(), None

    def _judge(self, content: MediaType) -> Judge | None:
        if self.policy.values == "pass":
            return None
        try:
            return _judge_of(content, self._description)
        except PolicyError:  # a pattern no linear engine takes: `refuse` has said so at load
            return None

    def _undeclared(self, media_type: str, declared: ResponseDescription | None, problem: str) -> "_Plan":
        is_let_pass = self.policy.insecure_undeclared_responses
        return _Plan(media_type, declared, refusal="" if is_let_pass else problem)


class _Values:
    """The data of one answer, kept to what is declared for this caller."""

    __slots__ = ("_compiler", "_is_refused", "_judge", "_misfit", "_roles", "shape")

    def __init__(self, release: Release, shape: Shape | None, judge: Judge | None, exchange: Exchange) -> None:
        self.shape, self._judge, self._compiler = shape, judge, release.compiler
        self._is_refused = release.policy.values == "refuse"
        self._roles = exchange.caller.roles if exchange.caller is not None else frozenset[str]()
        self._misfit = ""

    def keep(self, value: Any) -> int:
        """How many undeclared members were dropped. Errors: Denied."""
        judge, shape = self._judge, self.shape
        if judge is not None and not self._misfit and not judge.fits(value):
            misfit = judge.failures(value, is_small=False)[0]
            self._misfit = declared_pointer(misfit.pointer, shape)
            if self._is_refused:
                raise Denied(CODE, f"{self._misfit}: {misfit.detail}")
        if shape is None:
            return 0
        self._compiler.roles = self._roles
        return shape.keep(value)

    def findings(self) -> list[str]:
        """The first place that did not fit."""
        return [f"{_MISFIT}{self._misfit}"] if self._misfit else []


def declared_pointer(pointer: str, shape: Shape | None) -> str:
    """The pointer, in which names that nobody declared are `*`: they are data of the answer."""
    shown: list[str] = []
    for part in pointer.split("/")[1:]:
        if part.isdigit() and (shape is None or list in shape.takes):
            shape = shape.element() if shape is not None else None
            shown.append(part)
            continue
        shape = shape.member(part.replace("~1", "/").replace("~0", "~")) if shape is not None else None
        shown.append(part if shape is not None else "*")
    return "/".join(["#", *shown])


class _Plan:
    """What is done with answers of one status and media type."""

    __slots__ = (
        "caching_is_declared",
        "each",
        "is_cut",
        "is_json",
        "is_lines",
        "is_table",
        "is_text",
        "judge",
        "judge_of_each",
        "reads_body",
        "refusal",
        "shape",
    )

    def __init__(
        self,
        media_type: str,
        declared: ResponseDescription | None,
        *,
        is_lines: bool = False,
        shape: Shape | None = None,
        judge: Judge | None = None,
        each: Shape | None = None,
        judge_of_each: Judge | None = None,
        refusal: str = "",
    ) -> None:
        self.is_lines, self.shape, self.judge, self.refusal = is_lines, shape, judge, refusal
        self.is_json = bool(refusal) or is_json(media_type)
        """What leaves is JSON: a refusal is, too."""
        self.is_text = not (self.is_json or is_lines) and _is_text(media_type)
        self.is_table = media_type in _TABLES
        self.each, self.judge_of_each = each, judge_of_each
        self.is_cut = not refusal and each is not None and (is_lines or self.is_json)
        """It can be filtered in pieces: by element, or by line."""
        self.reads_body = self.is_json or is_lines
        self.caching_is_declared = declared is not None and "cache-control" in declared.headers


def _is_text(media_type: str) -> bool:
    return is_xml(media_type) or (media_type.startswith("text/") and media_type not in _CODE_TEXTS)


def declared_response(declared: Any, status: int) -> ResponseDescription | None:
    """What the description says about a status: the exact one, else its class (`2XX`), else `default`."""
    for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
        if key in declared:
            found: ResponseDescription = declared[key]
            return found
    return None


def declared_content(declared: ResponseDescription, media_type: str) -> MediaType | None:
    """The declared representation of a media type: the exact one, else the narrowest range that covers it."""
    for key in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if key in declared.content:
            return declared.content[key]
    return None


def _has_body(exchange: Exchange, response: Response) -> bool:
    # A 205 should have none (RFC 9110 15.3.6), but unlike 204 and 304 its framing allows one: it would leave unread.
    return exchange.request.method != "HEAD" and response.status not in {204, 304}


def _is_short(response: Response) -> bool:
    """Whether the answer says that its body is short enough to be read whole."""
    for name, value in response.headers:
        if name == b"content-length":
            return value.isdigit() and len(value) < 10 and int(value) <= LONG_BYTES
    return False


def _is_compressed(response: Response) -> bool:
    return any(name == b"content-encoding" and value != b"identity" for name, value in response.headers)


def _note(exchange: Exchange, cleaner: Cleaner) -> None:
    if cleaner.masked_count:
        exchange.findings.append(f"minimise.masked:{cleaner.masked_count}")
    if cleaner.replaced_count:
        exchange.findings.append(f"minimise.internals:{cleaner.replaced_count}")


def _refuse_or_empty(response: Response, problem: str) -> None:
    """Nothing, when an undeclared answer says nothing, or is a redirect whose page nobody needs; else it is refused."""
    if 300 <= response.status < 400:
        set_body(response, b"")
    elif response.body != b"":
        raise Denied(CODE, problem)


def _problem(exchange: Exchange, status: int) -> bytes:
    try:
        title = http.HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return orjson.dumps(
        {"type": "about:blank", "title": title, "status": status, "instance": f"urn:uuid:{exchange.id}"}
    )
