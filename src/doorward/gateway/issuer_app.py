"""What the issuer's listener serves: the identity provider, its probes, and the keys that bodies are encrypted to."""

from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from doorward.encryption_key import encryption_keys_for, public_encryption_jwks
from doorward.identity.unserved import explains_itself
from doorward.store import Watch

ENCRYPTION_KEYS_PATH: Final = "/.well-known/doorward-encryption-keys"
"""Where clients fetch the keys that they encrypt bodies to."""
_KEYS_MAX_AGE_S: Final = 3600
"""How long they may keep them, in seconds; an exchanged key opens messages far longer."""


def issuer_app(provider: Starlette, keys: Path, watch: Watch, base: str) -> Starlette:
    """The provider with what stands beside it. `keys` is the directory of the keys, `watch` looks at the store.

    `base` is the path that the provider stands below.
    """

    def show_encryption_keys(_request: Request) -> Response:
        """The public keys that clients encrypt bodies to. Not `async`: it reads a file, which a thread does."""
        return JSONResponse(
            public_encryption_jwks(encryption_keys_for(keys)),
            headers={"cache-control": f"max-age={_KEYS_MAX_AGE_S}"},
        )

    async def ready(_request: Request) -> Response:
        try:
            await watch.version()
        except SQLAlchemyError:
            return PlainTextResponse("the store does not answer\n", status_code=503)
        return PlainTextResponse("ready\n")

    app = Starlette(
        routes=[
            Route("/livez", _alive),
            Route("/readyz", ready),
            Route(ENCRYPTION_KEYS_PATH, show_encryption_keys),
            Mount("/", provider),
        ]
    )
    return explains_itself(app, base)


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n")
