"""What the control process does for workers and people beside publishing: begun with the servers, ended after them."""

import time
from collections.abc import Coroutine

from doorward.gateway.control.in_force import InForce, networks
from doorward.gateway.control.state import State
from doorward.gateway.identity_trail import IdentityTrail
from doorward.gateway.key_watch import KeyWatch
from doorward.gateway.shared_services import SharedServices
from doorward.identity.mail.delivery import Delivery
from doorward.identity.mail.writing import Writer
from doorward.identity.oauth.backchannel import BackChannel
from doorward.identity.sms.delivery import SmsDelivery
from doorward.outbound import OutboundClient


class Services:
    """What workers share, what is delivered, and what goes into the trail."""

    def __init__(self, state: State, in_force: InForce) -> None:
        """What workers share begins with it; nobody is listened to, and nothing sent, before `start` and `work`."""
        policy = in_force.policy
        issuer = policy.issuer.url
        self._shared = SharedServices(state.path, policy)
        self._key_watch = KeyWatch(state.path, state.store)
        self._trail = IdentityTrail(state.store, state.path, policy.audit, clock=time.time)
        self._events_watch = state.store.watch()
        self._back_channel = BackChannel(
            state.store,
            key=lambda algorithm: state.ring.ring.signer(time.time(), algorithm),
            issuer=issuer,
            client=lambda: OutboundClient(allowed_networks=networks(in_force.policy.issuer.insecure_client_networks)),
        )
        self._mail = Delivery(
            state.store,
            Writer(state.store, state.secret, issuer),
            issuer=issuer,
            policy=lambda: in_force.policy.issuer.mail,
        )
        self._sms = SmsDelivery(
            state.store,
            state.secret,
            issuer=issuer,
            policy=lambda: in_force.policy.issuer.sms,
            client=lambda sms: OutboundClient(allowed_networks=networks(sms.insecure_networks)),
        )

    def work(self) -> list[Coroutine[None, None, None]]:
        """The tasks, which end when they are cancelled."""
        return [
            self._back_channel.run(),
            self._mail.run(),
            self._sms.run(),
            self._key_watch.run(),
            self._trail.follow(self._events_watch.version),
            *self._shared.work(),
        ]

    def start(self) -> None:
        """Listen to workers. Errors: OSError."""
        self._shared.start()
        self._key_watch.start()

    async def close(self) -> None:
        """Once no task works any more: what is left to be written is written."""
        self._key_watch.finish()
        await self._shared.close()
        await self._trail.close()
        self._events_watch.close()
