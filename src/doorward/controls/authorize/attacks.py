"""Attacks on authorization, each with its twin: others' objects, others' functions, scopes not granted."""

from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Samples

_FUNCTION: Final = "API5:2023 Broken function level authorization"
_PROPERTY: Final = "API3:2023 Broken object property level authorization"
_OBJECT: Final = "API1:2023 Broken object level authorization"


def _spelled_otherwise(samples: Samples) -> Ask | None:
    """Another's object, the last character of its id percent-encoded."""
    ask = samples.owned(own=False)
    if ask is None:
        return None
    path, mark, query = ask.target.partition("?")
    if not path[-1].isalnum():
        return None
    return replace(ask, target=f"{path[:-1]}%{ord(path[-1]):02X}{mark}{query}")


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack(
        id="authorize.role_too_low",
        name="call an administrator's operation as an ordinary caller",
        earns="authorize.role",
        threat=_FUNCTION,
        source="hostile-input catalogue K4; ASVS 5.0 V8.2.1",
        send=lambda samples: samples.privileged("reader"),
        twin=lambda samples: samples.privileged("admin"),
    ),
    Attack(
        id="authorize.no_role",
        name="call an operation with a valid credential and no role",
        earns="authorize.role",
        threat=_FUNCTION,
        source="ASVS 5.0 V8.2.1 (deny by default)",
        send=lambda samples: samples.privileged("nobody"),
        twin=lambda samples: samples.privileged("admin"),
    ),
    Attack(
        id="authorize.scope_missing",
        name="call an operation with a token granted for another one",
        earns="authorize.scope",
        threat=_FUNCTION,
        source="hostile-input catalogue J9; Oathkeeper CVE-2021-32701, CVE-2026-33496; RFC 6750 section 3.1",
        send=lambda samples: samples.scoped(has_scope=False),
        twin=lambda samples: samples.scoped(has_scope=True),
    ),
    Attack(
        id="authorize.another_object",
        name="reach another caller's object by changing the id",
        earns="authorize.owner",
        threat=_OBJECT,
        source="hostile-input catalogue K3; ASVS 5.0 V8.2.2",
        send=lambda samples: samples.owned(own=False),
        twin=lambda samples: samples.owned(own=True),
    ),
    Attack(
        id="authorize.another_object_encoded",
        name="reach another caller's object by an id spelled with percent signs",
        earns="authorize.owner",
        threat=_OBJECT,
        source="hostile-input catalogue K3, P2; Envoy CVE-2019-9901",
        send=_spelled_otherwise,
        twin=lambda samples: samples.owned(own=True),
    ),
    Attack(
        id="authorize.another_object_named",
        name="name another caller's object in a query or a body",
        earns="authorize.owner",
        threat=_OBJECT,
        source="hostile-input catalogue K3; ASVS 5.0 V8.2.2; CWE-639",
        send=lambda samples: samples.named(own=False),
        twin=lambda samples: samples.named(own=True),
    ),
    Attack(
        id="authorize.another_object_argument",
        name="name another caller's object in an argument of a GraphQL field",
        earns="authorize.owner",
        threat=_OBJECT,
        source="hostile-input catalogue K3, B13; CWE-639",
        send=lambda samples: samples.named_in_graphql(own=False),
        twin=lambda samples: samples.named_in_graphql(own=True),
    ),
    Attack(
        id="authorize.foreign_page",
        name="open a WebSocket from a page of another site, with the visitor's credential",
        earns="authorize.origin",
        threat="API8:2023 Security misconfiguration",
        source="CWE-1385; RFC 6455 section 10.2; hostile input D9",
        send=lambda samples: samples.lab("foreign_page"),
        twin=lambda samples: samples.lab("ok"),
    ),
    Attack(
        id="authorize.graphql_introspection",
        name="have a GraphQL API list everything it has",
        earns="authorize.operation",
        threat="API9:2023 Improper inventory management",
        source="hostile-input catalogue B13; OWASP GraphQL cheat sheet",
        send=lambda samples: samples.graphql("{ __schema { types { name fields { name } } } }"),
        twin=lambda samples: samples.graphql("{ note { __typename id } }"),
    ),
    Attack(
        id="authorize.property_of_others",
        name="set a property that only an administrator may set",
        earns="authorize.property",
        threat=_PROPERTY,
        source="hostile-input catalogue K4; CWE-915; ASVS 5.0 V8.2.3",
        send=lambda samples: samples.guarded_property("writer"),
        twin=lambda samples: samples.guarded_property("admin"),
    ),
)
"""All attacks on this control."""
