"""All attacks on the provider: its listener, logins and tokens."""

from typing import Final

from doorward.attack.provider.doors import DOORS
from doorward.attack.provider.logins import LOGINS
from doorward.attack.provider.tokens import TOKENS

LOGIN_ATTACKS: Final = (*DOORS, *LOGINS, *TOKENS)
