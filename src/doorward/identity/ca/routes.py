"""What anybody may fetch of the authority: its certificates and its revocation lists."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from doorward.identity.ca.authority import list_authorities
from doorward.identity.ca.revocation_list import RENEWED_S, RevocationLists
from doorward.identity.provider import Provider

_LIST_CACHED = {"cache-control": "public, max-age=60"}
"""Short: whoever keeps a list longer learns of a revocation later."""


def ca_routes(provider: Provider) -> list[Route]:
    """`/ca/crl` (the newest authority's list), `/ca/crl/<authority>`, both DER; `/ca/certificates` (PEM)."""
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

    return [
        Route(f"{base}/ca/crl", show_list, methods=["GET"]),
        Route(f"{base}/ca/crl/{{authority}}", show_list, methods=["GET"]),
        Route(f"{base}/ca/certificates", show_certificates, methods=["GET"]),
    ]
