"""Where a query or a body names an object, as an owner rule writes it, and the ids that stand there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from doorward.controls.authorize.grant import segments
from doorward.denial import Denied
from doorward.exchange import Exchange
from doorward.operation import Operation

_KEY: Final = re.compile(
    r"(?P<method>[A-Z]{3,7}) (?P<path>/[^ ?#]*)(?:\?(?P<query>[^ ?#]+)|#(?P<pointer>/[^ ]+)"
    r"|#(?P<field>[_A-Za-z][_0-9A-Za-z]*)\((?P<argument>[^ ()]+)\))"
)
_EACH: Final = "*"


@dataclass(frozen=True, slots=True)
class IdPlace:
    """One place of one operation's requests where ids of objects stand.

    >>> IdPlace.parse("POST /payments#/items/*/from").steps
    ('items', '*', 'from')
    >>> IdPlace.parse("GET /statements?account").query
    'account'
    >>> IdPlace.parse("POST /graphql#transfer(input/from)").field
    'transfer'
    """

    method: str
    path: str
    """Template, as in the description."""
    query: str
    """Name of the query parameter; empty: the ids stand in the body."""
    steps: tuple[str, ...]
    """The way through the body (JSON pointer, RFC 6901) or the arguments, `*` for each element of a list."""
    field: str = ""
    """Name of the GraphQL field among whose arguments the ids stand; empty: no GraphQL."""

    @classmethod
    def parse(cls, text: str) -> "IdPlace":
        """The place as written in the policy. Errors: ValueError that says what to write."""
        match = _KEY.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r}: write a path that ends with the id (/orders/{{id}}), a query parameter (GET /orders?id), "
                "a place of the body (POST /orders#/items/*/id) or an argument of GraphQL (POST /graphql#order(id))"
            )
        way = f"/{match['argument']}" if match["argument"] else match["pointer"] or ""
        return cls(
            match["method"],
            match["path"],
            match["query"] or "",
            tuple(step.replace("~1", "/").replace("~0", "~") for step in way.split("/")[1:]),
            match["field"] or "",
        )

    def is_of(self, operation: Operation) -> bool:
        """Whether requests to the operation have this place: it declares the parameter, or a body."""
        if self.method != operation.method or segments(self.path) != segments(operation.template):
            return False
        if self.query:
            return any(each.location == "query" and each.name == self.query for each in operation.parameters)
        return bool(self.field) or operation.request_body is not None

    def ids(self, exchange: Exchange) -> Iterator[str | None]:
        """Every id that stands there in the validated request; None for one that is left out.

        Errors: Denied `authorize.owner` when something else than ids stands there, or a body that nobody could read.
        """
        if self.query:
            value = exchange.parameters.get(("query", self.query))
            # an empty list asks the API for everything, as a parameter that is left out does
            found = (value or [None]) if isinstance(value, list) else [value]
        elif self.field:
            if exchange.graphql is None:
                raise self._no_id()
            found = self._below([arguments for name, arguments in exchange.graphql if name == self.field])
        elif exchange.request.has_body:
            found = self._below([exchange.json_body])
        else:
            found = [None]
        for each in found:
            yield self._as_id(each)

    def _below(self, places: list[Any]) -> list[Any]:
        for step in self.steps:
            below: list[Any] = []
            for place in places:
                if isinstance(place, list) and step == _EACH:
                    below.extend(place)
                elif isinstance(place, dict) and step != _EACH:
                    below.append(place.get(step))
                elif place is None:
                    below.append(None)
                else:
                    raise self._no_id()
            # A variable of GraphQL can stand in many places: what it holds is looked at once.
            places = list({id(each): each for each in below}.values())
        return places

    def _as_id(self, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        # Other numbers have several spellings: 7.0 may be 7 to the API.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self._no_id()

    def _no_id(self) -> Denied:
        return Denied("authorize.owner", f"no id of an object stands at {self}")

    def __str__(self) -> str:
        """How a message names it: `?account`, `#/items/*/from`, `#transfer(input/from)`."""
        if self.query:
            return f"?{self.query}"
        return f"#{self.field}({'/'.join(self.steps)})" if self.field else "#/" + "/".join(self.steps)
