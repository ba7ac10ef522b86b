"""What anybody may fetch of the authority, and how a certificate is renewed by whoever holds it."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from doorward.errors import PolicyError
from doorward.identity.ca.authority import list_authorities
from doorward.identity.ca.bundles import pem_bundle
from doorward.identity.ca.certificates import renew
from doorward.identity.ca.requests import REQUEST_BYTES
from doorward.identity.ca.revocation_list import RENEWED_S, RevocationLists, list_url
from doorward.identity.client_certificates import SCOPE_KEY, ShownCertificate
from doorward.identity.forms import read_body
from doorward.identity.provider import Provider

_LIST_CACHED = {"cache-control": "public, max-age=60"}
"""Short: whoever keeps a list longer learns of a revocation later."""


def ca_routes(provider: Provider) -> list[Route]:
    """`/ca/crl` (the newest authority's list), `/ca/crl/<authority>`, both DER; `/ca/certificates` (PEM).

    `POST /ca/renew`, on the listener that asks for certificates: a request (PKCS #10) for the successor of that one.
    """
    base = provider.settings.base
    lists = RevocationLists(provider.store, provider.secret)

    # No coroutines: Starlette runs them in a thread, where a signature keeps nobody waiting.
    def show_list(request: Request) -> Response:
        der = lists.current(request.path_params.get("authority", ""), now=provider.clock())
        if der is None:
            return PlainTextResponse("there is no such authority\n", status_code=404)
        return Response(der, media_type="application/pkix-crl", headers=_LIST_CACHED)

    def show_certificates(_request: Request) -> Response:
        found = "".join(each.certificate for each in list_authorities(provider.store))
        if not found:
            return PlainTextResponse("there is no certificate authority\n", status_code=404)
        headers = {"cache-control": f"public, max-age={RENEWED_S:.0f}"}
        return Response(found, media_type="application/pem-certificate-chain", headers=headers)

    async def renew_own(request: Request) -> Response:
        shown = request.scope.get(SCOPE_KEY)
        vouched = shown.vouched if isinstance(shown, ShownCertificate) else None
        if vouched is None:
            return PlainTextResponse("show the certificate that is to be renewed\n", status_code=403)
        body = await read_body(request, REQUEST_BYTES)
        if body is None:
            return PlainTextResponse("the request is too long\n", status_code=413)

        def made() -> bytes:
            return pem_bundle(
                renew(
                    provider.store,
                    provider.secret,
                    vouched.serial,
                    now=provider.clock(),
                    request=body,
                    list_url=list_url(provider.settings.issuer),
                    fingerprint=vouched.fingerprint,
                )
            )

        try:
            # In a thread: a signature keeps nobody waiting.
            pem = await asyncio.to_thread(made)
        except PolicyError as error:
            return PlainTextResponse(f"{error.problem}\n", status_code=400)
        return Response(pem, media_type="application/pem-certificate-chain", headers={"cache-control": "no-store"})

    return [
        Route(f"{base}/ca/renew", renew_own, methods=["POST"]),
        Route(f"{base}/ca/crl", show_list, methods=["GET"]),
        Route(f"{base}/ca/crl/{{authority}}", show_list, methods=["GET"]),
        Route(f"{base}/ca/certificates", show_certificates, methods=["GET"]),
    ]
