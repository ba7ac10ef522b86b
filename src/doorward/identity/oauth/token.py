"""`POST /oauth/token`: client credentials, authorization code, device code, refresh token, token exchange."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from doorward.identity import events
from doorward.identity.clients import Client
from doorward.identity.forms import read_form
from doorward.identity.oauth import device
from doorward.identity.oauth.asking import Askers, allow_origin, answer, certificate_thumbprint, refusal
from doorward.identity.oauth.codes import redeem
from doorward.identity.oauth.exchange import GRANT_TYPE as EXCHANGE
from doorward.identity.oauth.exchange import exchange
from doorward.identity.oauth.families import Family, first_refresh_token, note_access_token, refresh
from doorward.identity.oauth.id_tokens import mint_id_token
from doorward.identity.oauth.requests import OFFLINE, STANDARD_SCOPES
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.proofs import TokenProofs
from doorward.identity.provider import Provider
from doorward.store import users
from doorward.store.prepared import Prepared

GRANT_TYPES: Final = ("authorization_code", "client_credentials", "refresh_token", device.GRANT_TYPE, EXCHANGE)

_ACTIVE_USER: Final = Prepared(
    select(users.c.roles, users.c.claims).where(users.c.name == bindparam("of_name"), users.c.disabled_at.is_(None))
)


class Bound(NamedTuple):
    """What tokens are bound to: what the client proved with its request."""

    key: str | None
    """Thumbprint of the key of its proof (RFC 9449)."""
    certificate: str | None
    """Thumbprint of the certificate of its connection (RFC 8705)."""

    def lasting(self, client: Client) -> str | None:
        """The certificate that refresh tokens are bound to: a public client's (RFC 8705 section 4).

        Another one proves itself anew each time, and may do it by the next certificate.
        """
        return self.certificate if client.is_public else None


class TokenEndpoint:
    """Parse, decide and store in one transaction, answer.

    A grant that raises has changed nothing; a refusal that it gives back stands beside what it changed.
    """

    __slots__ = ("_askers", "_grants", "_proofs", "_provider")

    def __init__(self, provider: Provider, askers: Askers) -> None:
        self._provider, self._askers = provider, askers
        self._proofs = TokenProofs(provider.settings.urls("/oauth/token"), provider.proof_memory)
        self._grants: dict[str, Callable[[Client, Mapping[str, str], Bound, Connection], dict[str, Any] | OAuthError]]
        self._grants = {
            "authorization_code": self._authorization_code,
            "refresh_token": self._refresh_token,
            device.GRANT_TYPE: self._device_code,
            EXCHANGE: self._exchange,
        }

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        client = None
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form)
            key = self._proofs.bound_key(request.headers.getlist("dpop"), self._provider.clock())
            response = answer(await self._granted(client, form, Bound(key, certificate_thumbprint(request))))
        except OAuthError as error:
            response = refusal(error)
        return response if client is None else allow_origin(response, request, client)

    async def _granted(self, client: Client, form: Mapping[str, str], bound: Bound) -> dict[str, Any]:
        """The members of the answer. Errors: OAuthError."""
        if "grant_type" not in form:
            raise OAuthError("invalid_request", "grant_type is missing")
        if self._provider.settings.profile.sender_constrained and bound.key is None and bound.certificate is None:
            raise OAuthError("invalid_request", "tokens are bound here: a DPoP proof or a certificate is needed")
        kind = form["grant_type"]
        # one for exchange has targets of its own
        if kind != EXCHANGE and not self._provider.settings.is_api(
            form.get("resource", self._provider.settings.audience)
        ):
            raise OAuthError("invalid_target", "unknown resource")
        if kind == "client_credentials":
            # nothing of it is in the store
            return self._client_credentials(client, form, bound)
        if kind not in self._grants:
            raise OAuthError("unsupported_grant_type", f"only {', '.join(GRANT_TYPES)}")
        found = await self._provider.store.write(partial(self._grants[kind], client, form, bound))
        if isinstance(found, OAuthError):
            # raised only now: what came with the refusal, the end of a family or a poll counted, is durable
            raise found
        return found

    def _client_credentials(self, client: Client, form: Mapping[str, str], bound: Bound) -> dict[str, Any]:
        if client.is_public or client.is_registered:
            raise OAuthError("unauthorized_client", "the client has no tokens in its own name")
        wanted = _narrowed(form.get("scope"), client.scopes)
        token = self._provider.minter.mint(
            client.name,
            client_id=client.name,
            now=self._provider.clock(),
            roles=client.roles,
            scopes=wanted,
            claims=client.claims,
            lifetime_s=self._provider.settings.token_lifetime_s,
            bound_key=bound.key,
            bound_certificate=bound.certificate,
        )
        return self._body(token.text, token.scopes, bound)

    def _exchange(
        self, client: Client, form: Mapping[str, str], bound: Bound, connection: Connection
    ) -> dict[str, Any]:
        return exchange(self._provider, connection, client, form, key=bound.key, certificate=bound.certificate)

    def _authorization_code(
        self, client: Client, form: Mapping[str, str], bound: Bound, connection: Connection
    ) -> dict[str, Any] | OAuthError:
        if "code" not in form:
            raise OAuthError("invalid_request", "code is missing")
        now = self._provider.clock()
        redeemed = redeem(
            connection,
            form["code"],
            client,
            verifier=form.get("code_verifier"),
            redirect_uri=form.get("redirect_uri"),
            now=now,
            bound_key=bound.key,
            bound_certificate=bound.lasting(client),
            absolute_s=self._provider.settings.profile.refresh_s,
        )
        if redeemed is None:
            # one answer for a code that is unknown, expired, used, another client's, or comes with a wrong verifier
            return OAuthError("invalid_grant", "the code is void or not this client's")
        return self._first_tokens(connection, client, redeemed.family, redeemed.nonce, now, bound)

    def _device_code(
        self, client: Client, form: Mapping[str, str], bound: Bound, connection: Connection
    ) -> dict[str, Any] | OAuthError:
        if not client.uses_devices:
            raise OAuthError("unauthorized_client", "the client is not registered for devices")
        if "device_code" not in form:
            raise OAuthError("invalid_request", "device_code is missing")
        now = self._provider.clock()
        found = device.poll(
            connection,
            form["device_code"],
            client,
            now=now,
            bound_key=bound.key,
            bound_certificate=bound.lasting(client),
            absolute_s=self._provider.settings.profile.refresh_s,
        )
        if isinstance(found, OAuthError):
            return found
        return self._first_tokens(connection, client, found, None, now, bound)

    def _refresh_token(
        self, client: Client, form: Mapping[str, str], bound: Bound, connection: Connection
    ) -> dict[str, Any] | OAuthError:
        if "refresh_token" not in form:
            raise OAuthError("invalid_request", "refresh_token is missing")
        now = self._provider.clock()
        found = refresh(
            connection,
            self._provider.secret,
            form["refresh_token"],
            client=client.name,
            rotates=client.is_public,
            now=now,
            proved_key=bound.key,
            shown_certificate=bound.certificate,
        )
        if found is None:
            return OAuthError("invalid_grant", "the refresh token is void or not this client's")
        family, token = found
        if OFFLINE not in client.scopes:
            raise OAuthError("invalid_grant", "the client may no longer refresh")
        scopes = _narrowed(form.get("scope"), _still(client, family))
        body = self._tokens(connection, family, scopes, now, bound)
        body["refresh_token"] = token
        if "openid" in scopes:
            body["id_token"] = self._id_token(client, family, None, now)
        events.record(connection, "token.refreshed", family.user, now=now, client=client.name, family=family.id)
        return body

    def _first_tokens(
        self, connection: Connection, client: Client, family: Family, nonce: str | None, now: float, bound: Bound
    ) -> dict[str, Any]:
        scopes = _still(client, family)
        body = self._tokens(connection, family, scopes, now, bound)
        if OFFLINE in scopes:
            body["refresh_token"] = first_refresh_token(connection, family, now=now)
        if "openid" in scopes:
            body["id_token"] = self._id_token(client, family, nonce, now)
        return body

    def _tokens(
        self, connection: Connection, family: Family, scopes: Iterable[str], now: float, bound: Bound
    ) -> dict[str, Any]:
        """The members of an answer that every grant for a user has. Errors: OAuthError for a user who may not call."""
        user = _ACTIVE_USER.one(connection, {"of_name": family.user})
        if user is None:
            raise OAuthError("invalid_grant", "the user may no longer call")
        token = self._provider.minter.mint(
            family.user,
            client_id=family.client,
            now=now,
            roles=user.roles,
            scopes=scopes,
            claims=user.claims,
            lifetime_s=self._provider.settings.token_lifetime_s,
            bound_key=bound.key,
            bound_certificate=bound.certificate,
        )
        note_access_token(connection, family.id, token, issuer=self._provider.settings.issuer)
        return self._body(token.text, token.scopes, bound)

    def _body(self, token: str, scopes: Iterable[str], bound: Bound) -> dict[str, Any]:
        return {
            "access_token": token,
            "token_type": "Bearer" if bound.key is None else "DPoP",
            "expires_in": self._provider.settings.token_lifetime_s,
            "scope": " ".join(scopes),
        }

    def _id_token(self, client: Client, family: Family, nonce: str | None, now: float) -> str:
        return mint_id_token(
            self._provider,
            family.user,
            client=family.client,
            auth_time=family.auth_time,
            amr=family.amr,
            session=family.session,
            nonce=nonce,
            now=now,
            algorithm=client.id_token_algorithm,
        )


def _still(client: Client, family: Family) -> set[str]:
    """What the user granted and the client may still have: the operator may have taken scopes from it since."""
    return {*family.scopes}.intersection({*client.scopes, *STANDARD_SCOPES})


def _narrowed(asked: str | None, most: Iterable[str]) -> set[str]:
    allowed = set(most)
    wanted = allowed if asked is None else {scope for scope in asked.split(" ") if scope}
    if not wanted.issubset(allowed):
        raise OAuthError("invalid_scope", "a scope is not granted to this client")
    return wanted
