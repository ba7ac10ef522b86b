"""Which texts of a request's head are judged: path values, query, declared headers and cookies."""

from collections.abc import Sequence

from doorward.controls.inspect.contents import ANY
from doorward.controls.inspect.fields import declared_contents
from doorward.controls.inspect.judgement import Judgement
from doorward.controls.inspect.wire_text import decoded, pairs
from doorward.exchange import Exchange, Headers
from doorward.operation import ApiDescription, Parameter


class HeadTexts:
    """The texts that parameters leave free."""

    __slots__ = ("_contents", "_headers", "_reads_cookies", "_reads_path")

    def __init__(self, free: Sequence[Parameter], description: ApiDescription, *, pins: bool) -> None:
        """`free`: parameters that may hold text of the client's choosing. `pins`: the description holds."""
        self._contents = {
            _place(parameter): declared_contents((parameter.schema,), description, pins=pins) for parameter in free
        }
        self._headers = tuple(parameter.name.lower().encode() for parameter in free if parameter.location == "header")
        self._reads_cookies = any(parameter.location == "cookie" for parameter in free)
        self._reads_path = any(parameter.location == "path" for parameter in free)

    def judge(self, exchange: Exchange, judgement: Judgement) -> None:
        """Nothing, when none is an attack. Errors: Denied."""
        request = exchange.request
        if self._reads_path:
            for name, value in exchange.path_values.items():
                self._judge(f"path:{name}", value, judgement)
        if request.query:
            self._query(request.query, judgement)
        for header in self._headers:
            for raw in request.headers.all(header):
                self._judge(f"header:{header.decode()}", decoded(raw), judgement)
        if self._reads_cookies:
            self._cookies(request.headers, judgement)

    def _query(self, query: bytes, judgement: Judgement) -> None:
        """Filtered one by one: in the raw bytes no value stands at the start of a text, where some attacks show."""
        for name, value in pairs(query):
            judgement.judge(f"query:{name}", name)
            self._judge(f"query:{name}", value, judgement)

    def _cookies(self, headers: Headers, judgement: Judgement) -> None:
        for cookies in headers.all(b"cookie"):
            for pair in cookies.split(b";"):
                name, _, value = pair.partition(b"=")
                self._judge(f"cookie:{decoded(name).strip(' ')}", decoded(value), judgement)

    def _judge(self, place: str, text: str, judgement: Judgement) -> None:
        judgement.judge(place, text, self._contents.get(place, ANY))


def _place(parameter: Parameter) -> str:
    """How an exclusion names the parameter."""
    name = parameter.name.lower() if parameter.location == "header" else parameter.name
    return f"{parameter.location}:{name}"
