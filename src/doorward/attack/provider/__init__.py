"""Attacks on logins and tokens, each with its harmless twin, against an identity provider that really runs.

They are conversations rather than single requests, so they are functions; what they prove is told by the same outcomes
as the controls' attacks.
"""

from doorward.attack.provider.attacks import LOGIN_ATTACKS
from doorward.attack.provider.case import LoginAttack, try_login_attack
from doorward.attack.provider.site import ProviderSite

__all__ = ["LOGIN_ATTACKS", "LoginAttack", "ProviderSite", "try_login_attack"]
