"""What is done with the answers of one status and media type: one class for each way."""

import http
from abc import ABC, abstractmethod
from typing import Final, NamedTuple

import orjson

from doorward.controls.minimise.headers import set_body, without_body_fields
from doorward.controls.minimise.json_text import CODE, parsed, written
from doorward.controls.minimise.shape import ShapeCompiler
from doorward.controls.minimise.stream import ArrayFilter, JsonLinesFilter, TextFilter, counted
from doorward.controls.minimise.texts import Cleaning
from doorward.controls.minimise.values import ValueRules, Values
from doorward.denial import Denied
from doorward.exchange import Exchange, Response

_PROBLEM: Final = b"application/problem+json"


class Means(NamedTuple):
    """What the plans of one operation share."""

    compiler: ShapeCompiler
    cleaning: Cleaning
    element_bytes: int
    """The largest element of an array, or line, of an answer that is filtered in pieces."""


class Plan(ABC):
    """What is done with an answer that has a body. Here: nothing needs the body."""

    __slots__ = ("caching_is_declared", "is_cut", "is_json", "reads_body", "reads_short_body")

    def __init__(self) -> None:
        self.is_json = False
        """What leaves is JSON."""
        self.reads_body = self.reads_short_body = False
        """`apply` needs the whole body; or needs it if it is short."""
        self.is_cut = False
        """A body can be filtered in pieces: by element, or by line."""
        self.caching_is_declared = False

    @abstractmethod
    def apply(self, exchange: Exchange, response: Response) -> None:
        """Make of the response what may leave; without a body that was read, set what filters it. Errors: Denied."""


class UnreadPlan(Plan):
    """It leaves as it is."""

    __slots__ = ()

    def apply(self, exchange: Exchange, response: Response) -> None:
        """Nothing."""


class _OwnPlan(Plan):
    """The upstream's body never leaves."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.is_json = self.reads_body = True


class RefusingPlan(_OwnPlan):
    """It is refused, unless it says nothing."""

    __slots__ = ("_problem",)

    def __init__(self, problem: str) -> None:
        super().__init__()
        self._problem = problem

    def apply(self, exchange: Exchange, response: Response) -> None:  # noqa: ARG002 - as `Plan`
        """Errors: Denied."""
        if response.body != b"":
            raise Denied(CODE, self._problem)


class RedirectingPlan(_OwnPlan):
    """Where it leads is told, without a page that nobody needs."""

    __slots__ = ()

    def apply(self, exchange: Exchange, response: Response) -> None:  # noqa: ARG002 - as `Plan`
        """Take the body away."""
        set_body(response, b"")


class ReplacingPlan(_OwnPlan):
    """An error of which only the status leaves."""

    __slots__ = ("_finding",)

    def __init__(self, finding: str) -> None:
        super().__init__()
        self._finding = finding

    def apply(self, exchange: Exchange, response: Response) -> None:
        """Put a problem document in place of the body (RFC 9457)."""
        exchange.findings.append(f"minimise.{self._finding}:{response.status}")
        set_body(response, _problem(exchange, response.status), media_type=_PROBLEM)


class JsonPlan(Plan):
    """JSON, or one JSON value a line: declared members leave, their texts cleaned."""

    __slots__ = ("_each", "_is_lines", "_means", "_rules")

    def __init__(self, means: Means, rules: ValueRules, each: ValueRules | None, *, is_lines: bool = False) -> None:
        """`rules`: of the whole, or of a line. `each`: of an element, or line; None where it cannot be cut there."""
        super().__init__()
        self.is_json, self.reads_body, self.is_cut = not is_lines, True, each is not None
        self._means, self._rules, self._each, self._is_lines = means, rules, each, is_lines

    def apply(self, exchange: Exchange, response: Response) -> None:
        """Filter it; or, where it was too long to be read, have it filtered in pieces. Errors: Denied."""
        body = response.body
        if body == b"" or (body is None and self._each is None):
            return
        if _is_compressed(response):
            raise Denied(CODE, "the answer is compressed although none was asked for")
        if body is not None:
            self._whole(exchange, response, body)
        elif self._each is not None:
            values = Values(self._each, self._means.compiler, exchange)
            make = JsonLinesFilter if self._is_lines else ArrayFilter
            exchange.body_filter = make(values, self._means.cleaning, self._means.element_bytes)
            response.headers = without_body_fields(response)

    def _whole(self, exchange: Exchange, response: Response, body: bytes) -> None:
        kinds = self._means.cleaning.kinds_in_json(body)
        cleaner = self._means.cleaning.cleaner(kinds) if kinds else None
        values = Values(self._rules, self._means.compiler, exchange)
        pieces = body.split(b"\n") if self._is_lines else [body]
        dropped = changed = 0
        for place, piece in enumerate(pieces):
            if self._is_lines and not piece.strip(b" \t\r"):
                continue
            value = parsed(piece)
            dropped += values.keep(value)
            total = dropped
            if cleaner is not None:
                value = cleaner.clean(value, values.shape) if isinstance(value, (str, dict, list)) else value
                total += cleaner.masked_count + cleaner.replaced_count
            if total != changed:
                pieces[place], changed = written(value), total
        exchange.findings.extend(values.findings())
        if changed:
            masked, replaced = (cleaner.masked_count, cleaner.replaced_count) if cleaner is not None else (0, 0)
            exchange.findings.extend(counted(dropped, masked, replaced))
            set_body(response, b"\n".join(pieces))


class TextPlan(Plan):
    """Text, cleaned like a string: as a whole or, where each line is a record of its own, line by line."""

    __slots__ = ("_cleaning", "_is_table")

    def __init__(self, cleaning: Cleaning, *, is_table: bool) -> None:
        super().__init__()
        self.reads_short_body = True
        self._cleaning, self._is_table = cleaning, is_table

    def apply(self, exchange: Exchange, response: Response) -> None:
        """Clean it; or, where it was too long to be read, have it cleaned line by line."""
        body = response.body
        if _is_compressed(response):
            exchange.findings.append("minimise.unread_text")
        elif body is None:
            exchange.body_filter = TextFilter(self._cleaning)
            response.headers = without_body_fields(response)
        elif kinds := self._cleaning.scanner.kinds(body):
            cleaner = self._cleaning.cleaner(kinds)
            cleaned = cleaner.clean_bytes(body, by_line=self._is_table)
            exchange.findings.extend(counted(0, cleaner.masked_count, cleaner.replaced_count))
            if cleaned != body:
                set_body(response, cleaned)


def _is_compressed(response: Response) -> bool:
    """Whether the upstream has compressed it, unasked."""
    return any(name == b"content-encoding" and value != b"identity" for name, value in response.headers)


def _problem(exchange: Exchange, status: int) -> bytes:
    try:
        title = http.HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return orjson.dumps(
        {"type": "about:blank", "title": title, "status": status, "instance": f"urn:uuid:{exchange.id}"}
    )
