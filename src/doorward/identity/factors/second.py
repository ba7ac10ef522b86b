"""Which second factors a user has, and whether a code is one of theirs: then it is spent."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, Table, func, select, update

from doorward.identity.factors import recovery_codes, totp
from doorward.identity.proving import CodeKind, FactorKind
from doorward.identity.sealing import ServerSecret
from doorward.identity.sms.numbers import keep_number, proved_number
from doorward.identity.sms.sending import Binding, spend_code
from doorward.identity.typed_codes import kept_code
from doorward.store import passkeys, totp_factors, users
from doorward.store.single_use import Purpose, consume

_STRONG: Final[tuple[tuple[FactorKind, Table], ...]] = (("totp", totp_factors), ("passkey", passkeys))


class SecondFactors:
    """Those of the users of one store."""

    __slots__ = ("_secret", "_sms_counts", "_totp_steps_back")

    def __init__(self, secret: ServerSecret, *, totp_steps_back: int, sms_counts: Callable[[], bool]) -> None:
        """`totp_steps_back`: steps of an app that count beside the current one.

        `sms_counts`: whether a code by text message may be a second factor, as the policy stands now.
        """
        self._secret, self._totp_steps_back, self._sms_counts = secret, totp_steps_back, sms_counts

    def of(self, connection: Connection, user: str) -> tuple[FactorKind, ...]:
        """What the user has."""
        found = tuple(
            kind
            for kind, table in _STRONG
            if connection.execute(select(table.c.id).where(table.c.user == user).limit(1)).one_or_none() is not None
        )
        if found:
            return (*found, "recovery_code")
        # who has a better one is never let in by a message: whoever takes over the number gets those
        return ("sms", "recovery_code") if self._sms_counts() and proved_number(connection, user) is not None else ()

    def since(self, connection: Connection, user: str) -> float | None:
        """When the oldest was added that the user has now, Unix seconds; None for none."""
        added = [
            connection.execute(select(func.min(table.c.created_at)).where(table.c.user == user)).scalar()
            for _, table in _STRONG
        ]
        if not any(added) and "sms" in self.of(connection, user):
            added = [connection.execute(select(users.c.phone_verified_at).where(users.c.name == user)).scalar()]
        return min((at for at in added if at is not None), default=None)

    def spend(self, connection: Connection, user: str, kind: CodeKind, code: str, *, visit: str, now: float) -> bool:
        """Whether the code was an unused one of the user's; it is used now. `visit` as `Verifier.second_factor`."""
        if kind == "totp":
            return self._spend_totp(connection, user, code, now)
        if kind == "recovery_code":
            return recovery_codes.spend_code(connection, user, code, now=now)
        if kind == "mail_code":
            return self._spend_mail_code(connection, user, code, visit, now)
        return self._spend_sms(connection, Binding(user=user, transaction=visit), kind, code, now)

    def _spend_totp(self, connection: Connection, user: str, code: str, now: float) -> bool:
        for row in connection.execute(select(totp_factors).where(totp_factors.c.user == user)).all():
            seed = self._secret.open(row.seed_sealed, totp_place(row.id))
            step = totp.matching_step(seed, code, now=now, last_step=row.last_step, steps_back=self._totp_steps_back)
            if step is None:
                continue
            spent = connection.execute(
                update(totp_factors)
                .where(totp_factors.c.id == row.id, totp_factors.c.last_step < step)
                .values(last_step=step)
            ).rowcount
            if spent:
                return True
        return False

    def _spend_mail_code(self, connection: Connection, user: str, code: str, visit: str, now: float) -> bool:
        """A code by mail never stands for a second factor: whoever has one needs it."""
        if self.of(connection, user):
            return False
        secret = kept_code(self._secret, "mail", code, user=user, place=visit)
        return consume(connection, Purpose.MAIL_CODE, secret, now=now) is not None

    def _spend_sms(self, connection: Connection, binding: Binding, kind: CodeKind, code: str, now: float) -> bool:
        if kind == "sms" and "sms" not in self.of(connection, binding.user):
            return False
        number = spend_code(connection, self._secret, binding, code, now=now)
        if number is None:
            return False
        if kind == "sms":
            return number == proved_number(connection, binding.user)
        keep_number(connection, binding.user, number, now=now)
        return True


def totp_place(factor_id: str) -> str:
    """Where a seed stands: sealed for it, it does not open anywhere else."""
    return f"totp_factors/{factor_id}/seed_sealed"
