"""What an operator may write about who may do what."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from doorward.controls.authorize.grant import Grant
from doorward.controls.authorize.place import IdPlace

_CLAIM: Final = r"^caller\.[A-Za-z0-9_.:/-]{1,128}$"


class OwnerRule(BaseModel):
    """Whose an object is, in the long form."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    claim: str = Field(pattern=_CLAIM)
    """`caller.subject`, or `caller.` and the claim (dots lead into objects) that holds the id of the caller's own
    object, or a list of ids. A caller without it owns nothing."""
    except_roles: tuple[str, ...] = Field(default=(), strict=False)
    """Roles that may reach everybody's objects. They must be roles of this policy."""
    allow_absent: bool = False
    """Let requests pass that leave the id out, where it stands in a query or a body: for an API that then shows no more
    than what is the caller's. Default: refused."""


class AuthorizePolicy(BaseModel):
    """Which role may do what, and whose an object is. What is not granted is denied."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    roles: Mapping[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(default_factory=dict)
    """Grants by role: `"*"` (everything), `GET *`, `POST /orders`, `GET /orders/*` (all below `/orders`), written
    against the path templates of the description."""
    owners: Mapping[str, str | OwnerRule] = Field(default_factory=dict)
    """Owner rules by path template, which ends with the id of the object: `/accounts/{account_id}: caller.account_id`.
    A rule holds for every operation whose path starts with its template; others' objects answer 404. An id elsewhere is
    named with its operation: `GET /statements?account`, `POST /transfers#/from`, `POST /payments#/items/*/from`,
    `POST /graphql#user(id)`."""

    @field_validator("roles")
    @classmethod
    def _grants_are_well_formed(cls, roles: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for grants in roles.values():
            for grant in grants:
                Grant.parse(grant)
        return roles

    @field_validator("owners")
    @classmethod
    def _templates_name_an_object(cls, owners: Mapping[str, str | OwnerRule]) -> Mapping[str, str | OwnerRule]:
        for template, rule in owners.items():
            if not template.startswith("/"):
                IdPlace.parse(template)
            elif "{" not in template.rsplit("/", 1)[-1]:
                raise ValueError(f"{template!r} must be a path that ends with the id of the object, as /orders/{{id}}")
            if isinstance(rule, str):
                OwnerRule(claim=rule)
        return owners

    @model_validator(mode="after")
    def _roles_are_known(self) -> Self:
        for template, rule in self.owners.items():
            for role in _long(rule).except_roles:
                if role not in self.roles:
                    raise ValueError(
                        f"owners.{template}: {role!r} is no role of this policy{suggestion(role, self.roles)}"
                    )
        return self

    @cached_property
    def owner_rules(self) -> dict[str, OwnerRule]:
        """The rules for ids in paths, in the long form."""
        return {template: _long(rule) for template, rule in self.owners.items() if template.startswith("/")}

    @cached_property
    def place_rules(self) -> dict[IdPlace, OwnerRule]:
        """The rules for ids in queries and bodies, in the long form."""
        return {IdPlace.parse(key): _long(rule) for key, rule in self.owners.items() if not key.startswith("/")}


def _long(rule: str | OwnerRule) -> OwnerRule:
    return OwnerRule(claim=rule) if isinstance(rule, str) else rule


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
