"""An attack on logins or tokens, and its twin: functions that say what they brought home, or what was refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorward.attack.judge import Outcome

if TYPE_CHECKING:
    from doorward.attack.provider.site import ProviderSite


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttack:
    """What somebody tries with logins or tokens, and the nearest honest thing."""

    id: str
    name: str
    earns: str
    """What it meets."""
    source: str
    attack: "Callable[[ProviderSite], str]"
    """What the attacker holds in hand; empty: nothing."""
    twin: "Callable[[ProviderSite], str]"
    """What an honest person was refused; empty: nothing."""
    threat: str = "API2:2023 Broken authentication"

    @property
    def control(self) -> str:
        """The group it is listed in."""
        return self.id.partition(".")[0]


def try_login_attack(attack: LoginAttack, site: "ProviderSite") -> Outcome:
    """What became of it and of its twin. The twin comes second: what an attack stirs up must not hurt the honest."""
    held = attack.attack(site)
    if held:
        return Outcome(attack=attack, verdict="got_through", note=f"the attacker has {held}")
    refused = attack.twin(site)
    if refused:
        return Outcome(attack=attack, verdict="twin_refused", note=f"the twin must pass, got {refused}")
    return Outcome(attack=attack, verdict="held")
