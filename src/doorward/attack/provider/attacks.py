"""All attacks on logins and tokens."""

from typing import Final

from doorward.attack.provider.logins import LOGINS
from doorward.attack.provider.tokens import TOKENS

LOGIN_ATTACKS: Final = (*LOGINS, *TOKENS)
