"""Traefik as a plain reverse proxy."""

import json

from bench.testbed import Command, Site


def command(program: str, site: Site) -> Command:
    """Traefik in front of the upstream."""
    router: dict[str, object] = {"rule": "PathPrefix(`/`)", "service": "api", "entryPoints": ["front"]}
    dynamic: dict[str, object] = {
        "http": {
            "routers": {"all": router},
            "services": {"api": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{site.upstream_port}"}]}}},
        }
    }
    if site.tls:
        router["tls"] = {}
        certificate = {"certFile": str(site.certificate), "keyFile": str(site.key)}
        dynamic["tls"] = {"certificates": [certificate], "stores": {"default": {"defaultCertificate": certificate}}}
    path = site.write("traefik.yml", json.dumps(dynamic))  # JSON is YAML too
    arguments = [
        program,
        f"--entrypoints.front.address=127.0.0.1:{site.port}",
        f"--providers.file.filename={path}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=ERROR",
    ]
    return Command(arguments, {"GOMAXPROCS": "1"})
