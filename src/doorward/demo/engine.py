"""Runs the demonstration: every breach against the bare bank, then through Doorward; the twins both ways; the trail."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.judge import described
from doorward.attack.wire import Target
from doorward.demo.bank_process import BankProcess
from doorward.demo.breaches import BREACHES, Breach
from doorward.demo.client import Client
from doorward.demo.site import MakeState, Site, make_site
from doorward.demo.trail import TrailResult, findings_in, put_to_the_test

Progress = Callable[[str], None]
"""Told what is being done, once a step."""

STEPS: Final = 2 * len(BREACHES) + 2
"""How many steps a run takes: each breach bare and guarded, the set-up, the trail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one breach."""

    breach: Breach
    evidence: str | None
    """What the attacker held in hand without Doorward; None: the bare bank was not breached."""
    got: str
    """What the same attack got from Doorward, in a few words."""
    stopped: bool
    twin_bare: bool
    twin_guarded: bool

    @property
    def held(self) -> bool:
        """Breached bare, stopped by Doorward, and the twin passed both ways."""
        return self.evidence is not None and self.stopped and self.twin_bare and self.twin_guarded


@dataclass(frozen=True, slots=True)
class Demonstration:
    """All results."""

    results: tuple[Result, ...]
    trail: TrailResult

    @property
    def held(self) -> bool:
        """Everything is as it should be: what the exit status says."""
        return bool(self.results) and all(result.held for result in self.results) and self.trail.held


@dataclass(frozen=True, slots=True)
class Stage:
    """Both banks and the gateway, up and serving."""

    bare: BankProcess
    gateway: GatewayProcess
    site: Site
    guarded_bank: BankProcess

    def client(self, *, guarded: bool) -> Client:
        """Somebody who asks the bare bank, or the other one through Doorward."""
        bank = self.guarded_bank if guarded else self.bare
        target = self.gateway.target if guarded else Target(host="127.0.0.1", port=bank.port)
        return Client(target=target, tokens=self.site.tokens, bank_port=bank.port)


@contextlib.contextmanager
def set_up(directory: Path, make_state: MakeState, *, gateway_address: str) -> Iterator[Stage]:
    """The stage, in `directory`. What was done to the bare bank must not lie in the guarded one: there are two."""
    with contextlib.ExitStack() as opening:
        bare = opening.enter_context(BankProcess(directory / "bank-bare"))
        bank = opening.enter_context(BankProcess(directory / "bank-guarded"))
        site = make_site(
            directory / "gateway",
            bank_url=bank.url,
            gateway_address=gateway_address,
            make_state=make_state,
        )
        gateway = opening.enter_context(GatewayProcess(site.policy))
        yield Stage(bare, gateway, site, bank)


def demonstrate(stage: Stage, scratch: Path, progress: Progress) -> Demonstration:
    """Everything, once. `scratch` takes the tampered copies."""
    bare, guarded = stage.client(guarded=False), stage.client(guarded=True)
    tried = []
    for breach in BREACHES:
        progress(f"bare: {breach.name}")
        twin_bare = breach.twin_works(breach.twin(bare))
        evidence = breach.evidence(breach.attack(bare))
        progress(f"guarded: {breach.name}")
        tried.append((breach, evidence, twin_bare, *_guarded(breach, guarded)))
    progress("the audit trail")
    trail = put_to_the_test(stage.site.trail, stage.site.audit_key, scratch)
    findings = findings_in(stage.site.trail)
    results = tuple(
        Result(
            breach=breach,
            evidence=evidence,
            got=got,
            # A cleaned answer proves little by itself: the record must say that something was cleaned.
            stopped=stopped and (not breach.is_finding or breach.code in findings),
            twin_bare=twin_bare,
            twin_guarded=twin_guarded,
        )
        for breach, evidence, twin_bare, got, stopped, twin_guarded in tried
    )
    return Demonstration(results, trail)


def _guarded(breach: Breach, client: Client) -> tuple[str, bool, bool]:
    """What the attack got, whether that means stopped, whether the twin passed. The twin goes first."""
    twin_works = breach.twin_works(breach.twin(client))
    answers = breach.attack(client)
    denied = any(answer.denial == breach.code for answer in answers)
    stopped = breach.evidence(answers) is None and (denied or breach.is_finding)
    got = next((described([answer]) for answer in answers if answer.denial), described(answers))
    return got, stopped, twin_works
