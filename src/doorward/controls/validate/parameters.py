"""The head of a request against the description: its parameters, wherever they travel, and the kind of its body."""

from collections.abc import Mapping
from typing import Any, Final

from doorward.controls.validate.form import ascii_text, pairs
from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.judging import request_judge
from doorward.controls.validate.kind import kind_check
from doorward.controls.validate.media import JSON, reader_of
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.styles import delimited_value, header_value, path_value
from doorward.controls.validate.wire import NotText, Shape
from doorward.denial import Denied
from doorward.exchange import Check, Exchange
from doorward.operation import ApiDescription, Operation, Parameter

_SHOWN: Final = 64


def parameters_check(
    operation: Operation, policy: ValidatePolicy, description: ApiDescription, *, judges_kind: bool = True
) -> Check:
    """The check of everything in the head that the description declares.

    Sets `exchange.parameters`. With `judges_kind` the kind of the body (media type, charset, content coding) is judged
    here too, before any of it is read.

    Errors: PolicyError for a schema that does not compile. The check: Denied `validate.*`.
    """
    return _HeadCheck(operation, policy, description, kind_check(operation, policy) if judges_kind else None)


class _HeadCheck:
    """One operation's head check."""

    __slots__ = ("_cookies", "_headers", "_kind", "_path", "_query")

    def __init__(
        self, operation: Operation, policy: ValidatePolicy, description: ApiDescription, kind: Check | None
    ) -> None:
        by_location: dict[str, list[_Declared]] = {"path": [], "query": [], "header": [], "cookie": []}
        for parameter in operation.parameters:
            by_location[parameter.location].append(_Declared(parameter, policy, description))
        self._path = by_location["path"]
        self._headers = [(declared.parameter.name.lower().encode(), declared) for declared in by_location["header"]]
        self._cookies = by_location["cookie"]
        self._query = _Query(by_location["query"], operation, policy)
        self._kind = kind

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        for declared in self._path:
            declared.set_path(exchange)
        self._query.check(exchange, request.query)
        for name, declared in self._headers:
            declared.set_header(exchange, request.headers.all(name))
        if self._cookies:
            self._check_cookies(exchange)
        if self._kind is not None:
            self._kind(exchange)

    def _check_cookies(self, exchange: Exchange) -> None:
        found: dict[str, list[str]] = {}
        for field in exchange.request.headers.all(b"cookie"):
            for pair in field.split(b";"):
                name, _, value = pair.partition(b"=")
                # Lenient readers trim both sides of the sign: `sort =zz` must not be another cookie here.
                found.setdefault(name.strip(b" \t").decode("latin-1"), []).append(value.strip(b" \t").decode("latin-1"))
        for declared in self._cookies:
            declared.set_cookie(exchange, found)


class _Declared:
    """One declared parameter, ready to judge."""

    __slots__ = ("judge", "key", "parameter", "read", "shape")

    def __init__(self, parameter: Parameter, policy: ValidatePolicy, description: ApiDescription) -> None:
        self.parameter = parameter
        self.key = (parameter.location, parameter.name)
        self.shape = Shape(parameter.schema, description.resolve)
        self.read = JsonReader(policy).read if reader_of(parameter.media_type or "") == JSON else None
        is_plain = set(parameter.schema) <= {"type"} and self.shape.kind == "scalar"
        self.judge = (
            None
            if is_plain and self.read is None
            else request_judge(parameter.schema, description.document, policy, f"{parameter.pointer}/schema")
        )

    def accept(self, exchange: Exchange, value: object) -> None:
        """Keeps the value when it fits. Errors: Denied `validate.parameter`."""
        judge = self.judge
        if judge is not None and not judge.fits(value):
            failures = judge.failures(value, is_small=True)
            raise self.refused(failures[0].detail if failures else "does not fit")
        exchange.parameters[self.key] = value

    def refused(self, detail: str) -> Denied:
        """The denial, naming the parameter and never its value."""
        return _refused(self.parameter.location, self.parameter.name, detail)

    def missing(self) -> None:
        """Nothing, when the parameter may be absent. Errors: Denied `validate.parameter`."""
        if self.parameter.required:
            raise self.refused("is required")

    def set_path(self, exchange: Exchange) -> None:
        text = exchange.path_values.get(self.parameter.name)
        if text is None:
            raise self.refused("is required")
        if self.shape.kind != "scalar" and b"%2C" in exchange.request.path.upper():
            # Decoded already, an encoded comma would look like a delimiter here and not to the upstream.
            raise self.refused("may not hold an encoded comma")
        self._accept_text(exchange, text, path_value)

    def set_header(self, exchange: Exchange, values: list[bytes]) -> None:
        if not values:
            self.missing()
            return
        if len(values) > 1 and self.shape.kind == "scalar":
            raise self.refused("is sent more than once")
        try:
            text = b",".join(values).decode()
        except UnicodeDecodeError:
            raise self.refused("is not UTF-8") from None
        self._accept_text(exchange, text, header_value)

    def set_cookie(self, exchange: Exchange, found: Mapping[str, list[str]]) -> None:
        values = found.get(self.parameter.name)
        if values is None:
            self.missing()
            return
        if len(values) > 1:
            raise self.refused("is sent more than once")
        self._accept_text(exchange, values[0], delimited_value)

    def _accept_text(self, exchange: Exchange, text: str, style: Any) -> None:
        try:
            value = self._content(text) if self.read is not None else style(self.parameter, self.shape, text)
        except NotText as error:
            raise self.refused(str(error)) from None
        self.accept(exchange, value)

    def set_query(self, exchange: Exchange, values: list[str]) -> None:
        """Sets a query parameter from the values under its name."""
        parameter, shape = self.parameter, self.shape
        if shape.kind == "array" and parameter.explode and self.read is None:
            try:
                value: object = [shape.scalar(text) for text in values]
            except NotText as error:
                raise self.refused(str(error)) from None
            self.accept(exchange, value)
            return
        if len(values) > 1:
            raise self.refused("is sent more than once")
        self._accept_text(exchange, values[0], delimited_value)

    def set_members(self, exchange: Exchange, members: list[tuple[str, str]]) -> None:
        """Sets an object parameter whose members travel as fields of their own."""
        made: dict[str, object] = {}
        try:
            for name, text in members:
                inner = self.shape.properties.get(name)
                if inner is not None and inner.kind == "array":
                    known = made.setdefault(name, [])
                    if isinstance(known, list):
                        known.append(inner.scalar(text))
                elif name in made:
                    raise self.refused("names a member twice")
                else:
                    made[name] = self.shape.member(name, text)
        except NotText as error:
            raise self.refused(str(error)) from None
        self.accept(exchange, made)

    def _content(self, text: str) -> object:
        if self.read is None:
            return text
        try:
            return self.read(text.encode())
        except Denied as denied:
            raise self.refused(f"is not the declared JSON ({denied.code})") from None


class _Query:
    """The query of one operation: which names it knows, and whose they are."""

    __slots__ = ("_allows_unknown", "_known", "_limit", "_members", "_nested", "_open", "_owners", "_required")

    def __init__(self, declared: list[_Declared], operation: Operation, policy: ValidatePolicy) -> None:
        self._allows_unknown, self._limit = policy.allow_unknown_parameters, policy.form_fields
        self._owners: dict[str, _Declared] = {}
        self._members: dict[str, _Declared] = {}
        """Fields that are members of an object parameter (`form` with `explode`)."""
        self._nested: dict[str, _Declared] = {}
        """Parameters written `name[member]=value` (`deepObject`)."""
        self._open: _Declared | None = None
        """An object parameter that takes members under any name."""
        self._required = [each for each in declared if each.parameter.required]
        # The key of an API key scheme is declared too, though not among the parameters; `authenticate` reads it.
        self._known = {
            scheme.parameter
            for requirement in operation.security
            for scheme in requirement
            if scheme.location == "query"
        }
        for each in declared:
            parameter = each.parameter
            if parameter.style == "deepObject":
                self._nested[parameter.name] = each
            elif each.shape.kind == "object" and parameter.explode and each.read is None:
                self._members.update(dict.fromkeys(each.shape.properties, each))
                self._open = each if each.shape.others is not None else self._open
            else:
                self._owners[parameter.name] = each

    def check(self, exchange: Exchange, query: bytes) -> None:
        """Sets all query parameters. Errors: Denied `validate.parameter`."""
        if query:
            self._set(exchange, query)
        for declared in self._required:
            if declared.key not in exchange.parameters:
                raise declared.refused("is required")

    def _set(self, exchange: Exchange, query: bytes) -> None:
        try:
            fields = pairs(ascii_text(query), self._limit)
        except ValueError as error:  # NotText, TooMany
            raise Denied("validate.parameter", f"the query {error}", public=_errors("query", "", str(error))) from None
        single: dict[str, list[str]] = {}
        objects: dict[str, tuple[_Declared, list[tuple[str, str]]]] = {}
        for name, value in fields:
            if name in self._owners:
                single.setdefault(name, []).append(value)
                continue
            owner, member = self._member(name)
            if owner is not None:
                objects.setdefault(owner.parameter.name, (owner, []))[1].append((member, value))
            elif name not in self._known and not self._allows_unknown:
                raise _refused("query", name, "is not declared")
        for name, values in single.items():
            self._owners[name].set_query(exchange, values)
        for owner, members in objects.values():
            owner.set_members(exchange, members)

    def _member(self, name: str) -> "tuple[_Declared | None, str]":
        if self._nested and name.endswith("]"):
            outer, _, member = name[:-1].partition("[")
            if outer in self._nested and "[" not in member and "]" not in member:
                return self._nested[outer], member
        return self._members.get(name) or (None if name in self._known else self._open), name


def _refused(location: str, name: str, detail: str) -> Denied:
    shown = name[:_SHOWN]
    return Denied(
        "validate.parameter", f"{location} parameter {shown!r} {detail}", public=_errors(location, shown, detail)
    )


def _errors(location: str, name: str, detail: str) -> dict[str, object]:
    return {"errors": [{"in": location, "parameter": name, "detail": detail}]}
