"""`POST /oauth/device_authorization` (RFC 8628 section 3.1): where a device gets its codes."""

from collections.abc import Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from doorward.identity.clients import Client
from doorward.identity.forms import read_form
from doorward.identity.guessing import Allowance
from doorward.identity.oauth import device
from doorward.identity.oauth.asking import Askers, answer, refusal
from doorward.identity.oauth.requests import STANDARD_SCOPES
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.provider import Provider

PAGE: Final = "/auth/device"
ASKED_COUNT: Final = 60
"""Requests from one address in the life of a code: each makes guessing a little easier, and takes room."""


class DeviceEndpoint:
    """Parse, decide, store, answer."""

    __slots__ = ("_askers", "_asking", "_provider")

    def __init__(self, provider: Provider, askers: Askers) -> None:
        self._provider, self._askers = provider, askers
        self._asking = Allowance(ASKED_COUNT, device.LIFETIME_S)

    async def authorize(self, request: Request) -> Response:
        """The codes."""
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form)
            return await run_in_threadpool(self._authorize, client, form, self._provider.address_of(request))
        except OAuthError as error:
            return refusal(error)

    def _authorize(self, client: Client, form: Mapping[str, str], address: str) -> Response:
        settings, now = self._provider.settings, self._provider.clock()
        if not client.uses_devices:
            raise OAuthError("unauthorized_client", "the client is not registered for devices")
        if not settings.is_api(form.get("resource", settings.audience)):
            raise OAuthError("invalid_target", "unknown resource")
        scopes = {word for word in form.get("scope", "").split(" ") if word}
        if not scopes.issubset({*client.scopes, *STANDARD_SCOPES}):
            raise OAuthError("invalid_scope", "a scope is not granted to this client")
        if not self._asking.take(address, now):
            wait = (("retry-after", str(int(device.LIFETIME_S))),)
            raise OAuthError("slow_down", "too many requests from this address", 429, wait)
        device_code, user_code = device.ask(
            self._provider.store, self._provider.secret, client, sorted(scopes), address=address, now=now
        )
        page = settings.url(PAGE)
        return answer(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={user_code}",
                "expires_in": int(device.LIFETIME_S),
                "interval": device.INTERVAL_S,
            }
        )
