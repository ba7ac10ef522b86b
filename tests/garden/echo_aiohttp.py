"""An aiohttp server that says how it read the request. `python echo_aiohttp.py PORT`."""

import sys

from aiohttp import web


async def echo(request: web.Request) -> web.Response:
    """Echo as JSON."""
    body = await request.read()
    return web.json_response(
        {
            "id": request.headers.get("x-request-id", ""),
            "method": request.method,
            "target": request.raw_path,
            "body": body.hex(),
        }
    )


if __name__ == "__main__":
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", echo)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
