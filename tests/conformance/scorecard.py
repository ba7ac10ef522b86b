"""The scorecard: the test modules of the OpenID Foundation's conformance suite, each ported as a test of ours.

Each module is a function under the suite's own name. `docs/conformance.md` is generated from what is registered here:
`.venv/bin/python -m tests.conformance.scorecard > docs/conformance.md`.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tests.conformance.ground import Ground

Check: TypeAlias = Callable[[Ground], None]
State: TypeAlias = Literal["passed", "failed", "not applicable"]

PLANS: Final = {
    "basic_op": ("OpenID Connect Core: Basic OP", 38),
    "fapi2": ("FAPI 2.0 Security Profile, final", 59),
    "message_signing": ("FAPI 2.0 Message Signing, final", 14),
    "logout": ("OpenID Connect: logout", 17),
    "registration": ("OpenID Connect: metadata, registration, request objects, keys", 22),
}
"""File of the plan: its title, and how many modules the suite's plan has."""
MODULES: Final[dict[str, "Module"]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of the suite."""

    plan: str
    name: str
    summary: str
    check: Check | None
    state: State = "passed"
    reason: str = ""
    """Why it fails or does not apply; or what one should know of how it passes."""


def module(name: str, *, note: str = "", fails: str = "") -> Callable[[Check], Check]:
    """Registers a check under the suite's name. `fails`: why it fails today; the run then expects it to."""

    def registered(check: Check) -> Check:
        state: State = "failed" if fails else "passed"
        _add(_plan(check), name, inspect.getdoc(check) or "", check, state, fails or note)
        return check

    return registered


def not_applicable(plan: str, name: str, summary: str, reason: str) -> None:
    """Registers a module that asks for something Doorward does not offer, and says so."""
    _add(plan.rpartition(".")[2], name, summary, None, "not applicable", reason)


def _add(plan: str, name: str, summary: str, check: Check | None, state: State, reason: str) -> None:
    assert name not in MODULES, name
    assert summary, name
    MODULES[name] = Module(plan=plan, name=name, summary=summary, check=check, state=state, reason=reason)


def _plan(check: Check) -> str:
    return check.__module__.rpartition(".")[2]


def all_modules() -> list[Module]:
    """Every module, plan after plan, in the suite's order."""
    for plan in PLANS:
        importlib.import_module(f"tests.conformance.{plan}")
    return [found for plan in PLANS for found in MODULES.values() if found.plan == plan]


_HEAD: Final = """# The OpenID Foundation's test modules

What the conformance suite of the OpenID Foundation asks of a provider, module by module, as tests of our own under the
suite's names ([tests/conformance](../tests/conformance/scorecard.py)); they run with every test run, and a test holds
this page to them. It is no certification: the suite itself (Java, MongoDB) was not run.

- *passed*: the port passes. *failed*: it does not, and why; the run expects the failure, so that it cannot be forgotten.
  *not applicable*: it asks for something that is not offered, which the metadata say too.
- Doorward demands PKCE of every client ([identity](identity.md)). The suite's Basic OP plan sends none, so the ports
  add `code_challenge` to its requests and are otherwise what the suite sends.
- The FAPI 2.0 plan is played with `issuer: {profile: fapi2}`, the others with the default profile.
"""


def page() -> str:
    """The page as Markdown."""
    modules = all_modules()
    lines = [_HEAD, "| plan | modules | passed | failed | not applicable |", "|---|---|---|---|---|"]
    for plan, (title, _) in PLANS.items():
        states = [found.state for found in modules if found.plan == plan]
        counts = " | ".join(str(states.count(state)) for state in ("passed", "failed", "not applicable"))
        lines.append(f"| {title} | {len(states)} | {counts} |")
    for plan, (title, _) in PLANS.items():
        lines += ["", f"## {title}", "| module | what must happen | state |", "|---|---|---|"]
        for found in modules:
            if found.plan == plan:
                said = f"{found.state}: {found.reason}" if found.reason else found.state
                lines.append(f"| {found.name} | {' '.join(found.summary.split())} | {said} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from tests.conformance import scorecard

    print(scorecard.page(), end="")  # noqa: T201
