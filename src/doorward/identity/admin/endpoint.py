"""What one endpoint of the admin API is: method, path, what it takes and gives, and the function that answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec
from sqlalchemy import Column, Row, Table

from doorward.identity.admin.problems import Refused
from doorward.identity.credentials import Verifier
from doorward.identity.names import require_roles
from doorward.identity.paging import PAGE_MOST, page
from doorward.identity.sealing import ServerSecret
from doorward.sealing import Sealer
from doorward.store import Store

_Item = TypeVar("_Item")
PAGE_DEFAULT = 50


class Page(msgspec.Struct, Generic[_Item], frozen=True):
    """Some of many, in order."""

    items: list[_Item]
    next: str | None = None
    """`after` of the next page; null on the last one."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every body has in common: nothing unknown in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the endpoints work with."""

    store: Store
    verifier: Verifier
    secret: ServerSecret
    sealer: Callable[[], Sealer]
    roles: Callable[[], Iterable[str]]
    """The roles of the policy in force."""
    clock: Callable[[], float]
    sends_mail: Callable[[], bool] = lambda: False
    """Whether the policy in force has mail sent."""
    list_url: Callable[[], str] = str
    """Where certificates say that their revocation list stands; empty: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read and judged as far as the description goes."""

    desk: Desk
    now: float
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    expected: str | None
    """The version that If-Match names; None for `*` or where none is needed."""
    token: str
    """Of the session; empty without one."""

    @property
    def store(self) -> Store:
        """Where everything stands."""
        return self.desk.store

    @property
    def name(self) -> str:
        """The name, or id, in the path."""
        return self.params["name"]

    def known_roles(self, roles: Iterable[str]) -> list[str]:
        """As at the command line: roles of the policy only. Errors: PolicyError."""
        return require_roles(roles, self.desk.roles())

    def page(self) -> dict[str, Any]:
        """`after` and `limit` of the query. Errors: Refused."""
        text = self.query.get("limit", str(PAGE_DEFAULT))
        if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= PAGE_MOST):
            raise Refused("invalid", f"limit is a number from 1 to {PAGE_MOST}")
        return {"after": self.query.get("after", ""), "most": int(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One line of the API."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    """Below `/admin/v1`; `{name}` stands for a name or id."""
    id: str
    summary: str
    answer: Callable[[Call], Any]
    gives: Any = None
    """Type of the answer; None: 204, nothing."""
    takes: type[Body] | None = None
    status: int = 200
    has_version: bool = False
    """The answer carries an ETag."""
    needs_version: bool = False
    """It changes what was read before: If-Match is demanded."""
    is_paged: bool = False
    is_open: bool = False
    """It needs no session."""


def listing(
    path: str,
    operation: str,
    summary: str,
    gives: Any,
    table: Table,
    by: Column[str],
    of_row: Callable[[Row[Any]], _Item],
) -> Endpoint:
    """The endpoint of that id which lists a table a page at a time, by a column; `gives` is the type of a page."""

    def answer(call: Call) -> Page[_Item]:
        return Page(*page(call.store, table, by, of_row, **call.page()))

    return Endpoint(method="GET", path=path, id=operation, summary=summary, answer=answer, gives=gives, is_paged=True)
