"""GraphQL over HTTP: what one request may ask for, measured before the API begins to answer.

Threat: OWASP API4:2023; CWE-770; catalogue row B13 (depth, aliases, batches, fragments that use each other,
directives, introspection, mutations by GET). Source: GraphQL specification (2021), GraphQL over HTTP. The document is
bounded before it is parsed, and fragments count as often as they are used without being walked as often.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import jiter
from graphql.error import GraphQLSyntaxError
from graphql.language import ast
from graphql.language.parser import parse

from doorward.controls.validate.policy import GraphqlPolicy
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Exchange

_TEXTS: Final = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"""|"(?:[^"\\\r\n]|\\.)*+"|#[^\r\n]*+', re.DOTALL)
_BRACKETS: Final = re.compile(r"[{}\[\]()]")
_NESTED: Final = 64
"""Deepest nesting of brackets of any kind that is parsed at all: the parser's stack is not endless."""
_SELECTIONS: Final = 128
"""Deepest nesting of selections, through fragments: our stack is not endless either."""
_INTROSPECTION: Final = frozenset({"__schema", "__type"})


class Size(NamedTuple):
    """What a selection asks for, fragments counted as often as they are used."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: "Size", *, deeper: int = 0) -> "Size":
        """Both together; `other` begins `deeper` levels down."""
        return Size(
            max(self.depth, other.depth + deeper),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
        )


def compile_graphql_check(settings: GraphqlPolicy) -> Callable[[Exchange], None]:
    """The check of one operation's requests, once its body or query is read. Sets `exchange.graphql`.

    Errors of it: Denied `validate.graphql`; `authorize.operation` for introspection, mutations by GET and operations
    that the policy does not list.
    """

    def check(exchange: Exchange) -> None:
        if exchange.request.method in {"GET", "HEAD"}:
            parameters = exchange.parameters
            query = parameters.get(("query", "query"))
            name, variables = (parameters.get(("query", each)) for each in ("operationName", "variables"))
            exchange.graphql = _judge(settings, query, name, variables, may_change=False)
            return
        body = exchange.json_body
        requests = body if isinstance(body, list) else [body]
        if body is UNPARSED or not requests:
            raise _unfit("the body is no GraphQL request")
        if len(requests) > settings.batch:
            raise _unfit(f"{len(requests)} requests at once, {settings.batch} allowed")
        fields: list[tuple[str, dict[str, Any]]] = []
        for request in requests:
            if not isinstance(request, dict):
                raise _unfit("the body is no GraphQL request")
            query, name, variables = (request.get(each) for each in ("query", "operationName", "variables"))
            fields += _judge(settings, query, name, variables, may_change=True)
        exchange.graphql = fields

    return check


def _judge(
    settings: GraphqlPolicy, query: object, name: object, variables: object, *, may_change: bool
) -> list[tuple[str, dict[str, Any]]]:
    """The fields asked for, with their arguments."""
    if not isinstance(query, str) or not (name is None or isinstance(name, str)):
        raise _unfit("`query` must be a text, and `operationName` too, where there is one")
    document = _parsed(query, settings)
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, ast.FragmentDefinitionNode)}
    operation = _chosen(document, name)
    if operation.operation is not ast.OperationType.QUERY and not may_change:
        raise Denied("authorize.operation", f"a {operation.operation.value} by GET")
    if settings.operations and (operation.name is None or operation.name.value not in settings.operations):
        raise Denied("authorize.operation", "a GraphQL operation that the policy does not list")
    measure = _Measure(settings, fragments)
    size = measure.selection(operation.selection_set)
    size = Size(size.depth, size.fields, size.aliases, size.directives + len(operation.directives or ()))
    for kind, most in (
        ("depth", settings.depth),
        ("fields", settings.fields),
        ("aliases", settings.aliases),
        ("directives", settings.directives),
    ):
        if getattr(size, kind) > most:
            raise _unfit(f"{kind} of {min(getattr(size, kind), 10**9)}, {most} allowed")
    values = _variables(operation, variables)
    return [(field.name.value, _members(field.arguments, values)) for field in measure.found]


def _variables(operation: ast.OperationDefinitionNode, given: object) -> dict[str, Any]:
    """The value of every variable: as given, else its default."""
    if isinstance(given, str):
        try:
            given = jiter.from_json(given.encode(), catch_duplicate_keys=True)
        except ValueError:
            raise _unfit("`variables` is no JSON") from None
    if not (given is None or isinstance(given, dict)):
        raise _unfit("`variables` must be an object")
    defaults = {
        one.variable.name.value: _plain(one.default_value, {})
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }
    return {**defaults, **(given or {})}


def _members(
    nodes: Iterable[ast.ArgumentNode | ast.ObjectFieldNode] | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for node in nodes or ():
        if node.name.value in made:
            raise _unfit(f"{node.name.value[:64]} is given twice")
        made[node.name.value] = _plain(node.value, values)
    return made


def _plain(node: ast.ValueNode, values: Mapping[str, Any]) -> Any:
    """A written value as data; whole numbers by their digits. What can be no id stays what it is."""
    if isinstance(node, ast.VariableNode):
        return values.get(node.name.value)
    if isinstance(node, ast.StringValueNode | ast.IntValueNode):
        return node.value
    if isinstance(node, ast.NullValueNode):
        return None
    if isinstance(node, ast.ListValueNode):
        return [_plain(each, values) for each in node.values]
    if isinstance(node, ast.ObjectValueNode):
        return _members(node.fields, values)
    return node


def _parsed(query: str, settings: GraphqlPolicy) -> ast.DocumentNode:
    depth = 0
    for bracket in _BRACKETS.finditer(_TEXTS.sub(" ", query)):
        depth += 1 if bracket[0] in "{[(" else -1
        if depth > _NESTED:
            raise _unfit(f"nested deeper than {_NESTED} levels")
    try:
        return parse(query, no_location=True, max_tokens=settings.tokens, max_comments=settings.tokens)
    except GraphQLSyntaxError as error:
        raise _unfit(f"no GraphQL document: {error.message[:120]}") from None


def _chosen(document: ast.DocumentNode, name: str | None) -> ast.OperationDefinitionNode:
    operations = [one for one in document.definitions if isinstance(one, ast.OperationDefinitionNode)]
    if len(operations) + sum(isinstance(one, ast.FragmentDefinitionNode) for one in document.definitions) != len(
        document.definitions
    ):
        raise _unfit("the document defines types")
    chosen = [one for one in operations if name is None or (one.name is not None and one.name.value == name)]
    if len(chosen) != 1:
        raise _unfit("the document names no operation, or several without saying which one is meant")
    return chosen[0]


class _Measure:
    """Sizes of selections; each fragment is walked once."""

    def __init__(self, settings: GraphqlPolicy, fragments: dict[str, ast.FragmentDefinitionNode]) -> None:
        self._settings, self._fragments = settings, fragments
        self._known: dict[str, Size] = {}
        self._under_way: set[str] = set()
        self._nested = 0
        self.found: list[ast.FieldNode] = []
        """Every field that was walked."""

    def selection(self, selected: ast.SelectionSetNode | None) -> Size:
        """The size of what is selected. Errors: Denied."""
        self._nested += 1
        if self._nested > _SELECTIONS:
            raise _unfit(f"selections nested deeper than {_SELECTIONS} levels, fragments included")
        size = Size()
        for one in selected.selections if selected is not None else ():
            size = size.beside(Size(directives=len(one.directives or ())))
            if isinstance(one, ast.FieldNode):
                if one.name.value in _INTROSPECTION and not self._settings.introspection:
                    raise Denied("authorize.operation", f"introspection ({one.name.value})")
                self.found.append(one)
                size = size.beside(Size(1, 1, int(one.alias is not None)))
                size = size.beside(self.selection(one.selection_set), deeper=1)
            elif isinstance(one, ast.InlineFragmentNode):
                size = size.beside(self.selection(one.selection_set))
            elif isinstance(one, ast.FragmentSpreadNode):
                size = size.beside(self._fragment(one.name.value))
        self._nested -= 1
        return size

    def _fragment(self, name: str) -> Size:
        known = self._known.get(name)
        if known is not None:
            return known
        fragment = self._fragments.get(name)
        if fragment is None or name in self._under_way:
            raise _unfit("a fragment is not defined, or uses itself")
        self._under_way.add(name)
        size = self._known[name] = self.selection(fragment.selection_set)
        self._under_way.discard(name)
        return size


def _unfit(detail: str) -> Denied:
    return Denied("validate.graphql", detail)
